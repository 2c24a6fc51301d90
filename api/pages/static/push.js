// Push messages for this browser: offered where it can, and where it cannot, the reason and what helps.

const box = document.querySelector("[data-push]");
const say = box?.querySelector("[data-say]");
const button = box?.querySelector("button");
const form = box?.querySelector("form");

const IPHONE = /iPhone|iPad|iPod/.test(navigator.userAgent) || (navigator.platform === "MacIntel" && navigator.maxTouchPoints > 1);

function key(text) {
  const padded = text.replaceAll("-", "+").replaceAll("_", "/") + "=".repeat(-text.length & 3);
  return Uint8Array.from(atob(padded), (letter) => letter.charCodeAt(0));
}

// What its owner knows it by in a list: "Firefox on Android".
function name() {
  const known = (names, otherwise) => names.find(([mark]) => navigator.userAgent.includes(mark))?.[1] ?? otherwise;
  const browsers = [["Edg/", "Edge"], ["OPR/", "Opera"], ["Firefox/", "Firefox"], ["Chrome/", "Chrome"], ["Safari/", "Safari"]];
  const systems = [["Android", "Android"], ["iPhone", "iPhone"], ["iPad", "iPad"], ["Windows", "Windows"], ["Mac OS", "Mac"], ["Linux", "Linux"]];
  return `${known(browsers, "A browser")} on ${known(systems, "a device")}`;
}

function tell(words, offer = false) {
  say.textContent = words;
  button.hidden = !offer;
}

async function send(subscription) {
  const { endpoint, keys } = subscription.toJSON();
  const fields = new URLSearchParams(new FormData(form));
  fields.set("endpoint", endpoint);
  fields.set("p256dh", keys.p256dh);
  fields.set("auth", keys.auth);
  fields.set("label", name());
  const answer = await fetch(form.action, { method: "POST", body: fields, redirect: "error" });
  if (!answer.ok) throw new Error(String(answer.status));
}

async function subscribe(worker) {
  tell("One moment.");
  if ((await Notification.requestPermission()) !== "granted") {
    tell("This browser was told not to show messages from here. Allow them in its settings for this site, and reload.");
    return;
  }
  try {
    const wanted = { userVisibleOnly: true, applicationServerKey: key(box.dataset.push) };
    const subscription = await worker.pushManager.subscribe(wanted);
    await send(subscription);
    tell("This browser is told when your car is full, and before it costs anything.");
  } catch {
    tell("That did not work: the browser's message service could not be reached. Nothing was changed. Try again.", true);
  }
}

async function begin() {
  box.hidden = false;
  if (!("serviceWorker" in navigator) || !("PushManager" in window)) {
    tell(
      IPHONE
        ? "On an iPhone or iPad, messages need this page on the home screen: Share, Add to Home Screen, and open it there."
        : "This browser cannot show push messages. You are told here and by e-mail.",
    );
    return;
  }
  if (Notification.permission === "denied") {
    tell("This browser was told not to show messages from here. Allow them in its settings for this site, and reload.");
    return;
  }
  const worker = await navigator.serviceWorker.register("/sw.js");
  const subscription = await worker.pushManager.getSubscription();
  if (subscription && Notification.permission === "granted" && box.dataset.known.split(" ").includes(await digest(subscription.endpoint))) {
    tell("This browser is told when your car is full, and before it costs anything.");
    return;
  }
  tell("Be told on this device when your car is full, before it costs anything.", true);
  button.addEventListener("click", () => subscribe(worker));
}

async function digest(text) {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return [...bytes.slice(0, 8)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

if (box) begin();
