// Keys for lists: / to the filter, j and k through the rows. They can be switched off, and stay so.

const box = document.querySelector("[data-keys]");
const table = document.querySelector("table[data-rows]");
const STORED = "idlefee.keys";
let on = localStorage.getItem(STORED) !== "off";

function show() {
  const button = box.querySelector("button");
  button.setAttribute("aria-pressed", String(on));
  button.textContent = on ? "Keys are on" : "Keys are off";
}

function links() {
  return [...table.tBodies[0].rows].filter((row) => !row.hidden).map((row) => row.querySelector("a")).filter(Boolean);
}

function move(by) {
  const all = links();
  const row = document.activeElement?.closest("tr");
  const at = all.findIndex((link) => link.closest("tr") === row);
  all[Math.max(0, Math.min(all.length - 1, at < 0 ? 0 : at + by))]?.focus();
}

document.addEventListener("keydown", (event) => {
  if (!on || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input, select, textarea")) return;
  if (event.key === "/") document.querySelector("form[role=search]")?.querySelector("input, select")?.focus();
  else if (event.key === "j") move(1);
  else if (event.key === "k") move(-1);
  else return;
  event.preventDefault();
});

if (box && table) {
  box.hidden = false;
  box.querySelector("button").addEventListener("click", () => {
    on = !on;
    localStorage.setItem(STORED, on ? "on" : "off");
    show();
  });
  show();
}
