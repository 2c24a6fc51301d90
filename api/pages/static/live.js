// What moves on an open page: clocks, which the browser runs by itself, and parts that the server sends when they change.

const root = document.documentElement;
const speed = Number(root.dataset.speed) || 1;
const SILENT_AFTER_MS = 25_000;

let known = { server: Number(root.dataset.now), local: performance.now() };
let heard = performance.now();

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
    if (element) element.innerHTML = markup;
  }
  runClocks();
}

if (document.body.dataset.live) {
  const news = new EventSource(document.body.dataset.live);
  news.addEventListener("message", (event) => take(JSON.parse(event.data)));
}
setInterval(runClocks, 250);
runClocks();
