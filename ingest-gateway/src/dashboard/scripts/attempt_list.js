// Every attempt of a delivery, oldest first, and what comes next.

import { h } from "./dom.js";
import { errorKind, milliseconds } from "./format.js";
import { moment } from "./moment.js";
import { icon } from "./pieces.js";

export function attemptList({ timeline, status, next_attempt_at: next }) {
  if (timeline.length === 0 && !next) return h("p", { class: "soft" }, status === "pending" ? "No call yet: it waits for its turn." : "No call was made.");
  return h("ol", { class: "attempts" }, timeline.map(attempt), next && coming(next, timeline.length + 1));
}

function attempt(one) {
  return h("li", { class: "attempt" },
    h("span", { class: "attempt-mark", "data-tone": one.succeeded ? "ok" : "bad" }, icon(one.succeeded ? "check" : "cross")),
    h("div", { class: "stack-s" },
      h("div", { class: "attempt-head" },
        h("h3", {}, `${one.number}. ${answered(one)}`),
        h("span", { class: "soft small" }, milliseconds(one.latency_ms), " · ", moment(one.attempted_at))),
      h("p", { class: "soft small break" }, one.target_url),
      one.error && h("p", { class: "break" }, one.error),
      one.response_excerpt && h("details", { class: "more" },
        h("summary", {}, one.response_truncated ? "Answer, its beginning" : "Answer"),
        h("pre", { class: "code", tabindex: "0" }, one.response_excerpt))));
}

function answered({ http_status: status, error_kind: kind, succeeded }) {
  if (status) return `HTTP ${status}`;
  return succeeded ? "Succeeded" : sentence(errorKind(kind));
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function coming(next, number) {
  return h("li", { class: "attempt" },
    h("span", { class: "attempt-mark", "data-tone": "info" }, icon("clock")),
    h("div", { class: "attempt-head" }, h("h3", {}, `${number}. planned`), h("span", { class: "soft small" }, moment(next))));
}
