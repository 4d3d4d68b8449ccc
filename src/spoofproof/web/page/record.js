// The microphone → a WAV file. Nothing is sent while it records.

import { wav } from "./sound.js";

const LONGEST = 300; // seconds

/** Wires the button: gives a WAV to `done`, a sentence to `fail`. */
export function recordButton(button, timer, done, fail) {
  let running = null;
  const label = button.querySelector("span");
  button.addEventListener("click", async () => {
    if (running) {
      running.stop();
      return;
    }
    button.disabled = true;
    try {
      running = await record(timer);
      button.setAttribute("aria-pressed", "true");
      label.textContent = "Stop";
      button.disabled = false;
      const blob = await running.finished;
      done(blob);
    } catch (error) {
      fail(error.name === "NotAllowedError" ? "The browser did not allow the microphone. Allow it for this page, or choose a file."
        : error.name === "NotFoundError" ? "No microphone was found. Choose a file instead." : `Recording failed: ${error.message}`);
    } finally {
      running = null;
      button.disabled = false;
      button.setAttribute("aria-pressed", "false");
      label.textContent = "Record";
      timer.textContent = "";
    }
  });
}

async function record(timer) {
  if (!navigator.mediaDevices) throw new Error("browsers record only on https or on this machine itself.");
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
  const context = new AudioContext();
  await context.audioWorklet.addModule("/page/recorder.js");
  const node = new AudioWorkletNode(context, "recorder", { numberOfOutputs: 0 });
  const chunks = [];
  let count = 0;
  node.port.onmessage = ({ data }) => {
    chunks.push(data);
    count += data.length;
  };
  context.createMediaStreamSource(stream).connect(node);
  let stop;
  const finished = new Promise((resolve) => {
    stop = () => {
      clearInterval(ticking);
      stream.getTracks().forEach((track) => track.stop());
      context.close();
      resolve(wav(chunks, context.sampleRate));
    };
  });
  const ticking = setInterval(() => {
    timer.textContent = `${(count / context.sampleRate).toFixed(0)} s`;
    if (count / context.sampleRate >= LONGEST) stop();
  }, 250);
  return { finished, stop };
}
