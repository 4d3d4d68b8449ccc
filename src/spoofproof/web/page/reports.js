// The bench runs that the service shows.

import { json } from "./api.js";
import { cell } from "./answer.js";

const $ = (id) => document.getElementById(id);

export async function reports() {
  const runs = await json("/v1/runs");
  $("no-reports").hidden = runs.length > 0;
  $("runs").hidden = runs.length === 0;
  $("runs").tBodies[0].replaceChildren(...runs.map((run) => {
    const line = document.createElement("tr");
    const name = cell("th", "", { scope: "row" });
    if (run.report) {
      name.append(cell("a", run.name, { href: run.report, target: "_blank", rel: "noopener" }));
    } else {
      name.textContent = `${run.name} (no report yet)`;
    }
    line.append(name, cell("td", run.corpus || "–"), ...[run.trials, run.detectors.length, run.conditions.length].map((n) => cell("td", n, { class: "num" })), cell("td", run.made.slice(0, 10)));
    return line;
  }));
}
