// The sight of a recording: waveform, spectrogram, timeline, and the scale of the verdict. What looks synthetic is marked in all.

import { spectrogram } from "./sound.js";

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Draws once; draws again when the width or the theme changes. Returns {seek(seconds)} for the line of the player. */
export function show(canvases, sound, seconds, spans, onSeek) {
  const { wave, spectro } = canvases;
  const still = document.createElement("canvas");
  let at = 0;
  const paint = () => {
    paintWave(prepared(wave), wave, sound, seconds, spans);
    paintSpectrogram(prepared(spectro), spectro, sound, seconds, spans);
    still.width = wave.width; still.height = wave.height;
    still.getContext("2d").drawImage(wave, 0, 0);
    line();
  };
  const line = () => {
    const g = wave.getContext("2d");
    g.setTransform(1, 0, 0, 1, 0, 0);
    g.clearRect(0, 0, wave.width, wave.height);
    g.drawImage(still, 0, 0);
    g.fillStyle = colour("--accent");
    g.fillRect((at / seconds) * wave.width - 1, 0, 2 * devicePixelRatio, wave.height);
  };
  const seek = (event) => onSeek((event.offsetX / event.currentTarget.clientWidth) * seconds);
  const watch = new AbortController();
  for (const canvas of [wave, spectro]) canvas.addEventListener("click", seek, { signal: watch.signal });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint, { signal: watch.signal });
  let width = 0;
  const resize = new ResizeObserver(() => {
    if (wave.clientWidth !== width) {
      width = wave.clientWidth;
      paint();
    }
  });
  resize.observe(wave);
  const where = spans.length ? `Marked as synthetic: ${spans.map(([a, b]) => `${a.toFixed(1)} to ${b.toFixed(1)} s`).join(", ")}.` : "Nothing is marked as synthetic.";
  wave.setAttribute("aria-label", `Waveform, ${seconds.toFixed(1)} s. ${where}`);
  spectro.setAttribute("aria-label", `Spectrogram, 0 to 8 kHz. ${where}`);
  return {
    seek(seconds) { at = seconds; line(); },
    stop() { resize.disconnect(); watch.abort(); },
  };
}

function prepared(canvas) {
  const ratio = devicePixelRatio || 1;
  const height = Number(canvas.getAttribute("data-height")) || canvas.height;
  canvas.setAttribute("data-height", height);
  canvas.width = Math.max(1, canvas.clientWidth * ratio);
  canvas.height = height * ratio;
  canvas.style.height = `${height}px`;
  return canvas.getContext("2d");
}

function paintWave(g, { width, height }, sound, seconds, spans) {
  g.fillStyle = colour("--wash");
  for (const [a, b] of spans) g.fillRect((a / seconds) * width, 0, ((b - a) / seconds) * width, height);
  const { samples } = sound;
  let peak = 1e-4;
  for (const x of samples) peak = Math.max(peak, Math.abs(x));
  const inside = (x) => spans.some(([a, b]) => (x / width) * seconds >= a && (x / width) * seconds < b);
  for (let x = 0; x < width; x++) {
    const from = Math.floor((x / width) * samples.length);
    const to = Math.max(from + 1, Math.floor(((x + 1) / width) * samples.length));
    let low = 0, high = 0;
    for (let i = from; i < to && i < samples.length; i++) {
      low = Math.min(low, samples[i]); high = Math.max(high, samples[i]);
    }
    g.fillStyle = colour(inside(x) ? "--synthetic" : "--real");
    const top = (0.5 - (high / peak) * 0.46) * height;
    g.fillRect(x, top, 1, Math.max(1, ((high - low) / peak) * 0.46 * height));
  }
  marks(g, width, 0, seconds, spans);
}

function paintSpectrogram(g, { width, height }, sound, seconds, spans) {
  const columns = spectrogram(sound.samples, Math.min(width, 900));
  let top = -90;
  for (const column of columns) for (const level of column) top = Math.max(top, level);
  const image = new ImageData(columns.length, columns[0].length);
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  columns.forEach((column, x) => column.forEach((level, k) => {
    const v = Math.max(0, Math.min(1, (level - top + 75) / 75));
    const i = 4 * ((column.length - 1 - k) * columns.length + x);
    const [r, g_, b] = dark ? [20 + 235 * v, 23 + 170 * v ** 1.4, 27 + 80 * v ** 2.4] : [253 - 225 * v ** 1.3, 251 - 215 * v, 247 - 140 * v];
    image.data.set([r, g_, b, 255], i);
  }));
  const small = document.createElement("canvas");
  small.width = image.width; small.height = image.height;
  small.getContext("2d").putImageData(image, 0, 0);
  g.imageSmoothingEnabled = true;
  g.drawImage(small, 0, 0, width, height);
  marks(g, width, 0, seconds, spans);
  const ratio = devicePixelRatio || 1;
  g.font = `${11 * ratio}px system-ui`;
  for (const khz of [2, 4, 6]) {
    const y = height * (1 - khz / 8);
    g.fillStyle = colour("--card"); g.globalAlpha = 0.75; g.fillRect(0, y - 7 * ratio, 38 * ratio, 14 * ratio); g.globalAlpha = 1;
    g.fillStyle = colour("--ink"); g.fillText(`${khz} kHz`, 4 * ratio, y + 4 * ratio);
  }
}

// A bar over what looks synthetic: more than a colour, also on paper and for those who do not see red.
function marks(g, width, y, seconds, spans) {
  g.fillStyle = colour("--synthetic");
  for (const [a, b] of spans) g.fillRect((a / seconds) * width, y, ((b - a) / seconds) * width, 4 * (devicePixelRatio || 1));
}

const SVG = "http://www.w3.org/2000/svg";
export function svg(tag, attributes = {}, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

/** Over time, how likely each stretch is synthetic: the mean over the windows that hear it. On the same axis as the sight. */
export function timeline(answer) {
  const narrow = innerWidth < 620;
  const [width, height, top, bottom] = [narrow ? 340 : 860, 140, 8, 22];
  const x = (s) => (s / answer.seconds) * width;
  const y = (p) => top + (1 - p) * (height - top - bottom);
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "timeline", role: "img",
    "aria-label": `How synthetic each stretch sounds, ${answer.timeline.length} windows; the table below has the figures.` });
  for (const [a, b] of answer.spans) {
    root.append(svg("rect", { class: "span", x: x(a), y: top, width: x(b) - x(a), height: height - top - bottom }));
    root.append(svg("line", { class: "span-edge", x1: x(a), x2: x(b), y1: top, y2: top }));
  }
  for (const p of [1, 0.5, 0]) root.append(svg("line", { class: p === 0.5 ? "half" : "axis", x1: 0, x2: width, y1: y(p), y2: y(p) }));
  const path = stretches(answer).map(([a, b, p], i) => `${i ? "L" : "M"}${x(a).toFixed(1)} ${y(p).toFixed(1)}H${x(b).toFixed(1)}`);
  root.append(svg("path", { class: "curve", d: path.join("") }));
  for (const [p, word, dy] of [[1, "synthetic", 13], [0.5, "even odds", -4], [0, "real", -4]]) {
    root.append(svg("text", { class: "halo", x: 4, y: y(p) + dy }, word));
  }
  const step = [0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600].find((s) => answer.seconds / s <= (narrow ? 5 : 9)) || 7200;
  for (let s = 0; s <= answer.seconds; s += step) {
    const end = x(s) > width - 20;
    root.append(svg("text", { x: x(s), y: height - 6, "text-anchor": s ? (end ? "end" : "middle") : "start" }, clock(s)));
  }
  const now = svg("line", { class: "now", x1: 0, x2: 0, y1: top, y2: height - bottom });
  root.append(now);
  root.seek = (s) => { now.setAttribute("x1", x(s)); now.setAttribute("x2", x(s)); };
  return root;
}

/** [start, end, probability] between neighbouring edges of windows. */
export function stretches({ timeline }) {
  const edges = [...new Set(timeline.flatMap((w) => [w.start, w.end]))].sort((a, b) => a - b);
  const out = [];
  let first = 0;
  for (let i = 0; i + 1 < edges.length; i++) {
    while (first < timeline.length && timeline[first].end <= edges[i]) first++;
    let sum = 0, n = 0;
    for (let k = first; k < timeline.length && timeline[k].start <= edges[i]; k++) {
      if (timeline[k].end > edges[i]) { sum += timeline[k].probability; n++; }
    }
    if (n) out.push([edges[i], edges[i + 1], sum / n]);
  }
  return out;
}

export const clock = (s) => (s < 60 ? `${Number(s.toFixed(1))} s` : `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}`);

/** Probability and interval on a line from real to synthetic. */
export function scale(answer) {
  const width = innerWidth < 620 ? 320 : 640;
  const root = svg("svg", { viewBox: `0 0 ${width} 62`, class: "scale", role: "img",
    "aria-label": `Chance that it is synthetic: ${percent(answer.probability)}, interval ${percent(answer.low)} to ${percent(answer.high)}.` });
  const x = (p) => 10 + p * (width - 20);
  root.append(svg("rect", { class: "track", x: 10, y: 24, width: width - 20, height: 14, rx: 7 }));
  root.append(svg("rect", { class: "interval", x: x(answer.low), y: 24, width: Math.max(4, x(answer.high) - x(answer.low)), height: 14, rx: 5 }));
  root.append(svg("line", { class: "half", x1: x(0.5), x2: x(0.5), y1: 18, y2: 44 }));
  root.append(svg("circle", { class: "point", cx: x(answer.probability), cy: 31, r: 9 }));
  root.append(svg("text", { class: "ends", x: 10, y: 57 }, "real"));
  root.append(svg("text", { x: x(0.5), y: 57, "text-anchor": "middle" }, "even odds"));
  root.append(svg("text", { class: "ends", x: width - 10, y: 57, "text-anchor": "end" }, "synthetic"));
  return root;
}

/** The same, small, for a row of a table. */
export function miniature(answer) {
  const root = svg("svg", { viewBox: "0 0 130 16", class: "mini", "aria-hidden": "true" });
  const x = (p) => 5 + p * 120;
  root.append(svg("rect", { class: "track", x: 5, y: 4, width: 120, height: 8, rx: 4 }));
  root.append(svg("rect", { class: "interval", x: x(answer.low), y: 4, width: Math.max(3, x(answer.high) - x(answer.low)), height: 8, rx: 3 }));
  root.append(svg("circle", { class: "point", cx: x(answer.probability), cy: 8, r: 5 }));
  return root;
}

export function percent(p) {
  if (p > 0 && p < 0.01) return "less than 1 %";
  if (p < 1 && p > 0.99) return "more than 99 %";
  return `${Math.round(100 * p)} %`;
}
