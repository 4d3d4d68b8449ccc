// The service's HTTP API. Every failure is an Error whose message is a sentence for the person at the page.

export async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...options });
  } catch {
    throw new Error("The service does not answer. Is it still running?");
  }
  if (response.ok) return response;
  let detail = "";
  try {
    detail = (await response.json()).detail;
  } catch {
    // not a problem document: the status has to do
  }
  const error = new Error(sentence(detail || `The service answered with status ${response.status}.`));
  error.status = response.status;
  error.retryAfter = Number(response.headers.get("retry-after")) || 0;
  throw error;
}

export const json = async (path, options) => (await ask(path, options)).json();

/** The answer about a recording. A full queue is waited for; a file that became a job is asked for until it is done. */
export async function detect(blob, tell) {
  const response = await patiently(() => ask("/v1/detect", { method: "POST", body: form(blob) }), tell);
  const body = await response.json();
  return response.status === 202 ? whenDone(body.id, tell) : body;
}

/** A long recording, as a job. */
export async function submit(blob, tell) {
  const job = await (await patiently(() => ask("/v1/jobs", { method: "POST", body: form(blob) }), tell)).json();
  return whenDone(job.id, tell);
}

/** {blob, measured}: the recording under a condition, as WAV. */
export async function corrupt(blob, condition, tell) {
  const body = form(blob);
  body.append("condition", condition);
  const response = await patiently(() => ask("/v1/corrupt", { method: "POST", body }), tell);
  return { blob: await response.blob(), measured: response.headers.get("spoofproof-measured") || "" };
}

/** Why the detector says so, of four seconds from `start` on. */
export async function explain(blob, start, tell) {
  const body = form(blob);
  body.append("start", start);
  tell("Listening again and again, with parts taken out…");
  return (await patiently(() => ask("/v1/explain", { method: "POST", body }), tell)).json();
}

async function whenDone(id, tell) {
  for (;;) {
    const job = await json(`/v1/jobs/${id}`);
    const [item] = job.items;
    if (item.state === "done" || item.state === "failed") {
      await ask(`/v1/jobs/${id}`, { method: "DELETE" });
      if (item.state === "done") return item.result;
      throw new Error(sentence(item.problem));
    }
    tell(item.state === "queued" ? "Waiting in the queue…" : "Listening to a long recording…");
    await sleep(2);
  }
}

async function patiently(attempt, tell) {
  for (let tries = 0; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      if (error.status !== 429 || tries === 5) throw error;
      tell(`There is much to do; trying again in ${error.retryAfter || 2} s…`);
      await sleep(Math.min(30, error.retryAfter || 2));
    }
  }
}

function form(blob) {
  const body = new FormData();
  // The file's own name stays here: the service has no use for it.
  body.append("file", new Blob([blob], { type: "application/octet-stream" }), "recording");
  return body;
}

const sleep = (seconds) => new Promise((wake) => setTimeout(wake, seconds * 1000));
const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?…]$/.test(text) ? "" : ".");
