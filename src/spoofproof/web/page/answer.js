// The answer in words. Everything said here is in the answer of the service; nothing is added.

import { clock, percent, scale, show, timeline } from "./draw.js";

const $ = (id) => document.getElementById(id);
const TONE = { "likely real": "real", "likely synthetic": "synthetic", "cannot tell": "unsure" };
const HEAD = { "likely real": "Likely real", "likely synthetic": "Likely synthetic", "cannot tell": "Cannot tell" };
let sight = null;
const narrow = matchMedia("(max-width: 619px)");

export function word(answer) {
  const node = document.createElement("span");
  node.className = `word ${TONE[answer.verdict]}`;
  node.textContent = HEAD[answer.verdict];
  return node;
}

/** Fill the section of the answer. sound: decoded samples, null where the browser cannot decode it; url: to play. */
export function render(answer, sound, url, name) {
  $("verdict-card").className = `verdict ${TONE[answer.verdict]}`;
  $("about").textContent = [name, clock(answer.seconds), `heard by ${answer.detector}`].filter(Boolean).join(" · ");
  $("verdict").textContent = HEAD[answer.verdict];
  $("meaning").textContent = meaning(answer);
  $("reasons").replaceChildren(...answer.reasons.map((reason) => item(reason)));
  $("reliability").textContent = answer.reliability ? answer.reliability.text : "Nothing was measured on audio like this, so no error rate can be stated.";
  sights(answer, sound, url);
  table(answer);
  quality(answer.quality);
}

function meaning(answer) {
  const chance = `The chance that it is synthetic is ${percent(answer.probability)} (95 % interval: ${percent(answer.low)} to ${percent(answer.high)}), if real and synthetic were equally likely before listening.`;
  const prior = answer.prior === 0.5 ? chance : chance.replace(/, if .*/, `, with ${percent(answer.prior)} before listening.`);
  if (answer.verdict === "cannot tell") return `No verdict is given on this recording. ${prior}`;
  const where = answer.spans.length && answer.verdict === "likely real" ? " Some stretches of it look synthetic; they are marked below." : "";
  return prior + where;
}

function sights(answer, sound, url) {
  const player = $("player");
  if (sight) sight.stop();
  sight = null;
  player.hidden = !url;
  if (url) player.src = url;
  for (const id of ["wave", "spectrogram"]) $(id).hidden = !sound;
  $("sight-note").textContent = sound ? "" : "· this browser cannot show this kind of recording; the timeline is what the service heard";
  let curve;
  const draw = () => {
    $("scale").replaceChildren(scale(answer));
    curve = timeline(answer);
    $("timeline").replaceChildren(curve);
  };
  draw();
  narrow.onchange = draw; // other texts fit on a phone
  if (sound) {
    sight = show({ wave: $("wave"), spectro: $("spectrogram") }, sound, answer.seconds, answer.spans, (s) => { player.currentTime = s; });
  }
  player.ontimeupdate = () => {
    if (sight) sight.seek(player.currentTime);
    curve.seek(Math.min(answer.seconds, player.currentTime));
  };
}

function table(answer) {
  const grid = document.createElement("table");
  const head = document.createElement("tr");
  for (const name of ["From", "To", "Chance that it is synthetic", "Speech in it"]) head.append(cell("th", name, { scope: "col" }));
  const body = document.createElement("tbody");
  for (const w of answer.timeline.slice(0, 2000)) {
    const row = document.createElement("tr");
    for (const text of [clock(w.start), clock(w.end), percent(w.probability), `${w.speech.toFixed(1)} s`]) row.append(cell("td", text));
    body.append(row);
  }
  const top = document.createElement("thead");
  top.append(head);
  grid.append(top, body);
  $("timeline-table").replaceChildren(grid);
}

function quality(q) {
  const khz = (hz) => `${(hz / 1000).toFixed(1)} kHz`;
  const facts = [
    ["Length", clock(q.seconds)],
    ["Speech", `${q.speech_seconds.toFixed(1)} s, ${percent(q.speech_share)} of it`],
    ["Speech over noise", q.snr_db === null ? "no speech" : `${q.snr_db.toFixed(0)} dB`],
    ["Highest frequency with sound", khz(q.bandwidth_hz) + (q.cutoff_hz ? `, cut off sharply at ${khz(q.cutoff_hz)}` : "")],
    ["Clipped", q.clipping_share > 0 ? `${(100 * q.clipping_share).toFixed(2)} % of the samples` : "no"],
    ["Traces of a codec", q.codec || "none found"],
    ["Sampling", `${khz(q.rate)}, ${q.channels} channel${q.channels === 1 ? "" : "s"}`],
    ["Level of the speech", `${q.level_dbfs.toFixed(0)} dB of full scale`],
  ];
  $("quality").replaceChildren(...facts.map(([name, value]) => {
    const pair = document.createElement("div");
    pair.append(cell("dt", name), cell("dd", value));
    return pair;
  }));
}

export function cell(tag, text, attributes = {}) {
  const node = document.createElement(tag);
  node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

const item = (text) => cell("li", text);
