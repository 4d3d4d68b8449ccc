// "What if it were compressed?": a corruption of the registry, heard and judged.

import { corrupt, detect, json } from "./api.js";
import { cell, word } from "./answer.js";
import { miniature, percent } from "./draw.js";

const $ = (id) => document.getElementById(id);
const FAMILIES = { compression: "Compressed", noise: "Noisy", modification: "Changed", control: "Controls: nothing should happen" };
let list = [];
let current = null;
let urls = [];

/** Fill the choices from the service. */
export async function prepare() {
  list = (await json("/v1/corruptions")).filter((c) => !c.missing);
  const select = $("corruption");
  for (const [family, title] of Object.entries(FAMILIES)) {
    const group = document.createElement("optgroup");
    group.label = title;
    for (const c of list.filter((one) => one.family === family)) group.append(new Option(plain(c.name), c.name, false, c.name === "mp3"));
    if (group.children.length) select.append(group);
  }
  select.addEventListener("change", levels);
  $("whatif-form").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt();
  });
  levels();
}

/** Start afresh with a recording and its answer. */
export function begin(blob, answer) {
  current = { blob, answer };
  urls.forEach((url) => URL.revokeObjectURL(url));
  urls = [];
  $("tries").hidden = true;
  $("tries").tBodies[0].replaceChildren(row("as it is", answer, null));
  $("whatif-wrong").textContent = "";
}

function levels() {
  const chosen = list.find((c) => c.name === $("corruption").value);
  const level = $("level");
  level.replaceChildren(...chosen.conditions.map((condition, i) => new Option(chosen.levels[i] ?? "as it is", condition)));
  level.selectedIndex = level.options.length - 1;
  level.disabled = chosen.levels.length === 0;
  $("unit").textContent = chosen.unit ? `(${chosen.unit}; mild to severe)` : "";
  $("what-it-does").textContent = chosen.summary;
}

async function attempt() {
  const mine = current;
  const condition = $("level").value;
  const tell = (text) => busy($("whatif-status"), text);
  $("apply").disabled = true;
  $("whatif-wrong").textContent = "";
  try {
    tell("Applying it…");
    const heard = await corrupt(mine.blob, condition, tell);
    tell("Listening…");
    const answer = await detect(heard.blob, tell);
    if (mine !== current) return;
    const url = URL.createObjectURL(heard.blob);
    urls.push(url);
    const text = plain(condition).replace("@", " at ") + (condition.includes("@") ? ` ${$("unit").textContent.slice(1).split(";")[0]}` : "");
    $("tries").tBodies[0].append(row(text, answer, url));
    $("tries").hidden = false;
    $("whatif-status").textContent = moved(mine.answer, answer);
  } catch (error) {
    $("whatif-status").textContent = "";
    $("whatif-wrong").textContent = error.message;
  } finally {
    $("apply").disabled = false;
  }
}

function moved(before, after) {
  const change = `The chance that it is synthetic went from ${percent(before.probability)} to ${percent(after.probability)}`;
  return before.verdict === after.verdict ? `${change}; the verdict is the same: ${after.verdict}.` : `${change}, and the verdict from “${before.verdict}” to “${after.verdict}”.`;
}

function row(what, answer, url) {
  const line = document.createElement("tr");
  const verdict = document.createElement("td");
  verdict.append(word(answer));
  const chance = cell("td", percent(answer.probability));
  chance.append(miniature(answer));
  const listen = document.createElement("td");
  if (url) {
    const audio = document.createElement("audio");
    audio.controls = true;
    audio.src = url;
    audio.setAttribute("aria-label", `The recording: ${what}`);
    listen.append(audio);
  }
  line.append(cell("th", what, { scope: "row" }), verdict, chance, listen);
  return line;
}

export function busy(node, text) {
  const turning = document.createElement("span");
  turning.className = "busy";
  turning.setAttribute("aria-hidden", "true");
  node.replaceChildren(turning, document.createTextNode(text));
}

const plain = (name) => name.replaceAll("_", " ").replace(".", ": ");
