// How well a subscription is, in a word and in numbers.

import { h } from "./dom.js";
import { count, milliseconds, percent, seconds } from "./format.js";
import { moment } from "./moment.js";
import { badge, figure } from "./pieces.js";

/** One badge for a subscription; `health` may be missing. */
export function healthBadge(subscription, health) {
  if (subscription.paused) return badge(subscription.paused === "gone" ? "Paused: gone" : "Paused", "mute");
  if (health?.breaker === "open") return badge("Breaker open", "bad");
  if (health?.failing_since) return badge("Failing", "bad");
  if (health?.consecutive_failures > 0) return badge("Unsteady", "warn");
  if (health?.attempts > 0) return badge("Healthy", "ok");
  return badge("Active", "info");
}

/** Four figures of one subscription's health. */
export function healthFigures(health) {
  const rate = health.success_rate;
  const failing = health.failing_since && seconds((Date.now() - new Date(health.failing_since).getTime()) / 1_000);
  return h("dl", { class: "figures" },
    figure("Success rate", percent(rate), `${count(health.succeeded)} of ${count(health.attempts)} calls in ${seconds(health.window_seconds)}`, rate !== null && rate < 0.9 ? "bad" : null),
    figure("Latency, p95", milliseconds(health.latency_ms?.p95), health.latency_ms ? `p50 ${milliseconds(health.latency_ms.p50)} · p99 ${milliseconds(health.latency_ms.p99)}` : "no calls in this time"),
    figure("Waiting", count(health.backlog), health.oldest_undelivered_at ? ["oldest from ", moment(health.oldest_undelivered_at)] : "nothing waits"),
    figure("Failures in a row", count(health.consecutive_failures), failing ? `failing for ${failing}` : "the last call succeeded or there was none", health.consecutive_failures > 0 ? "bad" : null));
}
