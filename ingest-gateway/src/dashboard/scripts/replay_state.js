// How far a replay is.

import { h } from "./dom.js";
import { count } from "./format.js";
import { badge } from "./pieces.js";

const STATES = { running: ["Running", "info"], done: ["Done", "ok"], cancelled: ["Cancelled", "mute"], failed: ["Failed", "bad"] };

export function replayState({ state }) {
  const [text, tone] = STATES[state] ?? [state, "mute"];
  return badge(text, tone);
}

/** A bar once the total is known. */
export function replayProgress({ total, finished, skipped, state }) {
  if (total === null || total === undefined) return h("span", { class: "soft" }, state === "running" ? "counting" : "–");
  const done = finished + skipped;
  return h("div", {}, h("progress", { class: "progress", max: Math.max(total, 1), value: total === 0 ? 1 : done, "aria-label": "Progress of the replay" }), h("span", { class: "under" }, `${count(done)} of ${count(total)}`));
}
