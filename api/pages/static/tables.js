// Tables that sort, filter and copy. Without this file they are still whole tables.

const value = (row, column) => {
  const cell = row.cells[column];
  const given = cell?.dataset.sort;
  return given === undefined ? (cell?.textContent.trim() ?? "") : Number(given);
};

function sortable(table) {
  const head = table.tHead.rows[0];
  for (const [column, cell] of [...head.cells].entries()) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...cell.childNodes);
    cell.append(button);
    button.addEventListener("click", () => {
      const up = cell.getAttribute("aria-sort") !== "ascending";
      for (const other of head.cells) other.removeAttribute("aria-sort");
      cell.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...table.tBodies[0].rows].sort((one, two) => {
        const [a, b] = [value(one, column), value(two, column)];
        const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
        return up ? order : -order;
      });
      table.tBodies[0].append(...rows);
    });
  }
}

function tools(box, table) {
  box.hidden = false;
  const filter = box.querySelector("[data-filter]");
  filter.addEventListener("input", () => {
    const wanted = filter.value.trim().toLowerCase();
    for (const row of table.tBodies[0].rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  });
  const copy = box.querySelector("[data-copy]");
  copy.addEventListener("click", async () => {
    const rows = [...table.rows].filter((row) => !row.hidden);
    const lines = rows.map((row) => [...row.cells].map((cell) => cell.innerText.trim().replace(/\s+/g, " ")).join("\t"));
    await navigator.clipboard.writeText(lines.join("\n"));
    copy.textContent = "Copied";
    setTimeout(() => { copy.textContent = "Copy"; }, 2000);
  });
}

for (const table of document.querySelectorAll("table[data-table]")) {
  sortable(table);
  const box = table.closest("section").querySelector("[data-tools]");
  if (box) tools(box, table);
}
