"use strict";
(() => {
  document.documentElement.classList.add("js");
  const all = (query, root = document) => [...root.querySelectorAll(query)];

  // The clean clip stands beside each corrupted one, and once in the file.
  for (const again of all("[data-same]")) {
    const first = document.getElementById(again.dataset.same).querySelector(again.tagName);
    if (first && first.getAttribute("src")) again.setAttribute("src", first.getAttribute("src"));
  }

  // Switches: one panel of a set is shown.
  for (const group of all("[data-switch]")) {
    const buttons = all("button", group);
    for (const button of buttons) {
      button.addEventListener("click", () => {
        for (const other of buttons) {
          const on = other === button;
          other.setAttribute("aria-pressed", String(on));
          const panel = document.getElementById(other.dataset.to);
          panel.classList.toggle("on", on);
          panel.classList.toggle("off", !on);
        }
      });
    }
  }

  // The legend lifts one detector out of all curves.
  const lights = all("[data-highlight]");
  for (const button of lights) {
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      for (const other of lights) other.setAttribute("aria-pressed", String(on && other === button));
      if (on) document.body.dataset.lit = button.dataset.highlight;
      else delete document.body.dataset.lit;
      for (const g of all("g[data-series]")) g.classList.toggle("lit", on && g.dataset.series === button.dataset.highlight);
    });
  }

  // Tables sort by their heads. Rows stay in their group (tbody); rows and groups marked data-fixed stay where they are.
  const key = (row, column) => {
    const cell = row.cells[column];
    if (!cell) return "";
    const text = "v" in cell.dataset ? cell.dataset.v : cell.textContent.trim();
    const number = Number(text);
    return text !== "" && !Number.isNaN(number) ? number : text;
  };
  const order = (a, b) => {
    if (a === "" || b === "") return 0;
    return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true });
  };
  for (const table of all("table.sortable")) {
    const heads = all("thead th", table);
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        for (const body of table.tBodies) {
          if ("fixed" in body.dataset) continue;
          const rows = [...body.rows].filter((row) => !("fixed" in row.dataset));
          const keyed = rows.map((row) => [key(row, column), row]);
          keyed.sort(([a], [b]) => {
            if (a === "" || b === "") return (a === "") - (b === "");
            return (up ? 1 : -1) * order(a, b);
          });
          body.append(...keyed.map(([, row]) => row));
        }
      });
    });
  }

  // A filter over the rows of a table.
  for (const field of all("[data-filter]")) {
    const rows = [...document.getElementById(field.dataset.filter).tBodies[0].rows];
    const texts = rows.map((row) => row.textContent.toLowerCase());
    field.addEventListener("input", () => {
      const wanted = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      rows.forEach((row, i) => { row.hidden = !wanted.every((word) => texts[i].includes(word)); });
    });
  }

  // Tooltips. Everything they say also stands in a table.
  const tip = document.getElementById("tip");
  const hide = () => { tip.hidden = true; };
  document.addEventListener("pointermove", (event) => {
    const target = event.target.closest && event.target.closest("[data-tip]");
    if (!target) return hide();
    tip.textContent = target.dataset.tip;
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    const x = Math.min(event.clientX + 14, innerWidth - width - 8);
    const y = event.clientY + 16 + height > innerHeight ? event.clientY - height - 12 : event.clientY + 16;
    tip.style.left = `${Math.max(8, x)}px`;
    tip.style.top = `${Math.max(8, y)}px`;
  });
  document.addEventListener("pointerdown", (event) => { if (!(event.target.closest && event.target.closest("[data-tip]"))) hide(); });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  addEventListener("scroll", hide, { passive: true });
})();
