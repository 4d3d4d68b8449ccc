// "Why?": what moved the score, and what was measured. Every sentence comes from the service.

import { explain } from "./api.js";
import { cell } from "./answer.js";
import { clock } from "./draw.js";
import { busy } from "./whatif.js";

const $ = (id) => document.getElementById(id);
const SIDES = { spoof: "synthetic speech", bonafide: "real speech", "": "neither" };
let current = null;

/** Start afresh with a recording; asked only when a person wants to know, since it listens some hundred times. */
export function beginWhy(blob, answer) {
  current = { blob, start: answer.spans.length ? answer.spans[0][0] : 0 };
  for (const id of ["why-status", "why-wrong", "why-body"]) $(id).replaceChildren();
  $("explain").hidden = false;
}

$("explain").addEventListener("click", async () => {
  const mine = current;
  $("explain").disabled = true;
  $("why-wrong").textContent = "";
  try {
    const found = await explain(mine.blob, mine.start, (text) => busy($("why-status"), text));
    if (mine !== current) return;
    $("why-status").textContent = "";
    $("explain").hidden = true;
    $("why-body").replaceChildren(...body(found));
  } catch (error) {
    $("why-status").textContent = "";
    $("why-wrong").textContent = error.message;
  } finally {
    $("explain").disabled = false;
  }
});

function body(found) {
  const list = document.createElement("ul");
  list.className = "why-list";
  list.append(...found.summary.map((sentence) => cell("li", sentence)));
  const parts = [list];
  if (found.regions.length) parts.push(table("What moved the score", ["Time", "Frequency", "Spoke for", "By"], found.regions.map((r) => [
    `${clock(found.start + r.start)} to ${clock(found.start + r.end)}`, `${(r.low_hz / 1000).toFixed(1)} to ${(r.high_hz / 1000).toFixed(1)} kHz`,
    r.change < 0 ? "synthetic" : "real", Math.abs(r.change).toFixed(2)])));
  const measured = found.findings.filter((f) => f.value !== null);
  if (measured.length) parts.push(table("What was measured", ["Measure", "Value", "As far out: real", "synthetic", "Speaks for"], measured.map((f) => [
    f.said || f.name, `${Number(f.value.toPrecision(3))} ${f.unit}`, share(f.real, f.n_real), share(f.synthetic, f.n_synthetic), SIDES[f.speaks]])));
  return parts;
}

const share = (value, n) => (value === null ? "–" : `${Math.round(100 * value)} % of ${n}`);

function table(title, head, rows) {
  const scroll = document.createElement("div");
  scroll.className = "scroll";
  const grid = document.createElement("table");
  const top = document.createElement("tr");
  top.append(...head.map((name) => cell("th", name, { scope: "col" })));
  const body = document.createElement("tbody");
  for (const row of rows) {
    const line = document.createElement("tr");
    line.append(...row.map((text) => cell("td", text)));
    body.append(line);
  }
  const thead = document.createElement("thead");
  thead.append(top);
  grid.append(cell("caption", title), thead, body);
  scroll.append(grid);
  return scroll;
}
