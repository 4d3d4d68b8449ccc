// The page: a recording comes in, the answer goes out.

import { render } from "./answer.js";
import { ask, corrupt, detect, json, submit } from "./api.js";
import { recordButton } from "./record.js";
import { reports } from "./reports.js";
import { decode } from "./sound.js";
import { beginWhy } from "./why.js";
import { begin, busy, prepare } from "./whatif.js";

const $ = (id) => document.getElementById(id);
let turn = 0;
let url = null;

async function judge(blob, name) {
  const mine = ++turn;
  const tell = (text) => mine === turn && busy($("status"), text);
  $("wrong").textContent = "";
  tell("Listening…");
  try {
    const [answer, heard] = await Promise.all([answerTo(blob, tell), playable(blob)]);
    if (mine !== turn) return;
    if (url) URL.revokeObjectURL(url);
    url = heard ? URL.createObjectURL(heard.blob) : null;
    for (const node of document.querySelectorAll("[data-with-answer], #answer, #whatif")) node.hidden = false;
    render(answer, heard && heard.sound, url, name);
    begin(blob, answer);
    beginWhy(blob, answer);
    $("status").textContent = `Done: ${answer.verdict}.`;
    $("answer").focus({ preventScroll: true });
    $("answer").scrollIntoView();
  } catch (error) {
    if (mine !== turn) return;
    $("status").textContent = "";
    $("wrong").textContent = error.message;
  }
}

/** A recording that is too long for an answer on the line becomes a job. */
async function answerTo(blob, tell) {
  try {
    return await detect(blob, tell);
  } catch (error) {
    if (error.status !== 413) throw error;
    return submit(blob, tell);
  }
}

/** {blob, sound} of what this browser can decode; else what the service decodes; null where that is too long. */
async function playable(blob) {
  try {
    return { blob, sound: await decode(blob) };
  } catch {
    try {
      const heard = (await corrupt(blob, "clean", () => {})).blob;
      return { blob: heard, sound: await decode(heard) };
    } catch {
      return null;
    }
  }
}

function takeFiles() {
  const drop = $("drop");
  $("file").addEventListener("change", ({ target }) => {
    if (target.files.length) judge(target.files[0], target.files[0].name);
    target.value = "";
  });
  for (const kind of ["dragenter", "dragover"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  document.addEventListener("dragleave", (event) => event.relatedTarget || drop.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    const [file] = event.dataTransfer.files;
    if (file) judge(file, file.name);
    else $("wrong").textContent = "That was no file. Addresses are not fetched: save the recording and drop the file.";
  });
  recordButton($("record"), $("record-time"), (blob) => judge(blob, "recording"), (text) => { $("wrong").textContent = text; });
}

async function open() {
  const session = await json("/v1/session");
  const locked = session.keys && !session.name;
  $("key").hidden = !locked;
  $("give").hidden = locked;
  $("reports").hidden = locked;
  if (locked) return;
  await Promise.all([prepare(), reports(), service()]);
}

async function service() {
  const health = await json("/health");
  $("service").textContent = `Spoofproof ${health.version}. The detector is ${health.detector || "being made ready"}.`;
}

$("key-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  $("key-wrong").textContent = "";
  try {
    await ask("/v1/session", { method: "POST", headers: { authorization: `Bearer ${$("key-field").value.trim()}` } });
    $("key-field").value = "";
    await open();
  } catch (error) {
    $("key-wrong").textContent = error.status === 401 ? "That is not a key of this service." : error.message;
  }
});

takeFiles();
open().catch((error) => { $("wrong").textContent = error.message; });
