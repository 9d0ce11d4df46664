// Outcomes as they happen, by server-sent events. Read with fetch, for an EventSource cannot send
// the API key.

import { authorized, withQuery } from "./api.js";

const LONGEST_PAUSE_MS = 30_000;

/**
 * Calls `outcome(record)` for each outcome and `changed(state)` with "live" or "lost", until
 * `signal` is aborted. A server without the stream is told as "absent" and left alone.
 */
export async function stream(query, { signal, outcome, changed }) {
  let pause = 1_000;
  while (!signal.aborted) {
    try {
      const answer = await fetch(withQuery("/v1/stream", query), { headers: authorized({ accept: "text/event-stream" }), cache: "no-store", signal });
      if (!answer.ok && answer.status !== 503) return changed("absent");
      if (answer.ok) {
        changed("live");
        pause = 1_000;
        await read(answer.body, outcome);
      }
    } catch {
      // Told below, and tried again.
    }
    if (signal.aborted) return undefined;
    changed("lost");
    await wait(pause, signal);
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
  }
  return undefined;
}

function wait(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
  });
}

async function read(body, outcome) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
    rest = blocks.pop();
    blocks.forEach((block) => handle(block, outcome));
  }
}

function handle(block, outcome) {
  let name = "message";
  const data = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) name = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
  }
  if (name !== "outcome" || data.length === 0) return;
  try {
    outcome(JSON.parse(data.join("\n")));
  } catch {
    // One that cannot be read is left out; the next one may be.
  }
}
