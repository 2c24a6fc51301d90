// What moves on an open page: clocks, which the browser runs by itself, and parts that the server sends when they change.

const root = document.documentElement;
const speed = Number(root.dataset.speed) || 1;
const SILENT_AFTER_MS = 25_000;
const TRY_AGAIN_MS = 4_000;

let known = { server: Number(root.dataset.now), local: performance.now() };
let heard = performance.now();
let news = null;

// Read aloud when a sentence changes, never for a clock: a region of its own, empty until there is something to say.
const said = document.createElement("p");
said.className = "unseen";
said.setAttribute("role", "status");
document.body.append(said);

function now() {
  return known.server + ((performance.now() - known.local) / 1000) * speed;
}

function text(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

function show(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

function runClocks() {
  for (const clock of document.querySelectorAll("[data-down]")) show(clock, text(Math.ceil(clock.dataset.down - now())));
  for (const clock of document.querySelectorAll("[data-up]")) show(clock, text(now() - clock.dataset.up));
  const stale = document.getElementById("stale");
  if (stale) {
    stale.hidden = performance.now() - heard < SILENT_AFTER_MS;
    if (!stale.hidden) show(stale, "We have lost the connection. The clock still runs; the fee shown may be out of date.");
  }
}

function put(element, markup) {
  const before = element.querySelector(".say")?.textContent;
  element.innerHTML = markup;
  const after = element.querySelector(".say")?.textContent;
  if (after && after !== before) show(said, after);
}

function take({ now: server, parts }) {
  known = { server, local: performance.now() };
  heard = performance.now();
  const { stage, ...rest } = parts;
  if (stage !== undefined && stage !== document.body.dataset.stage) {
    location.reload();
    return;
  }
  for (const [id, markup] of Object.entries(rest)) {
    const element = document.getElementById(id);
    if (element) put(element, markup);
  }
  runClocks();
}

function listen() {
  news?.close();
  news = new EventSource(document.body.dataset.live);
  news.addEventListener("message", (event) => take(JSON.parse(event.data)));
  // The browser comes again by itself after a lost line, but not after an answer that was an error.
  news.addEventListener("error", () => {
    if (news.readyState === EventSource.CLOSED) setTimeout(listen, TRY_AGAIN_MS);
  });
}

function listenAgainIfStale() {
  if (!document.hidden && performance.now() - heard > SILENT_AFTER_MS / 2) listen();
}

if (document.body.dataset.live) {
  listen();
  // A phone that was in a pocket, or in a garage without a signal, must not wait for the browser's patience.
  document.addEventListener("visibilitychange", listenAgainIfStale);
  addEventListener("online", listenAgainIfStale);
}
setInterval(runClocks, 250);
runClocks();
