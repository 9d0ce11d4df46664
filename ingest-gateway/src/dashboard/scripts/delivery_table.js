// Deliveries in a list.

import { h } from "./dom.js";
import { count, errorKind, shortId } from "./format.js";
import { moment } from "./moment.js";
import { statusBadge } from "./pieces.js";
import { table } from "./table.js";
import { nameOf } from "./subscription_names.js";

export function deliveryTable(deliveries, { subscription = true } = {}) {
  return table("Deliveries, newest first", [
    { name: "Event", kind: "lead", cell: (one) => [
      h("a", { class: "row-link", href: `#/deliveries/${encodeURIComponent(one.id)}` }, one.event_type || "no type"),
      h("span", { class: "under mono" }, shortId(one.id), one.replay_of ? " · sent again" : ""),
    ] },
    subscription && { name: "Subscription", kind: "mid", cell: (one) => h("a", { class: "break", href: `#/subscriptions/${encodeURIComponent(one.subscription_id)}` }, nameOf(one.subscription_id)) },
    { name: "Status", kind: "state", cell: (one) => statusBadge(one.status) },
    { name: "Last answer", kind: "mid", cell: (one) => answer(one) },
    { name: "Attempts", kind: "number", cell: (one) => count(one.attempts) },
    { name: "Accepted", kind: "moment", cell: (one) => moment(one.accepted_at) },
  ].filter(Boolean), deliveries);
}

function answer({ last_http_status: status, last_error_kind: kind, next_attempt_at: next }) {
  if (!status && !kind) return h("span", { class: "soft" }, "–");
  return [
    h("span", {}, status ? `HTTP ${status}` : errorKind(kind)),
    next && h("span", { class: "under" }, "next ", moment(next)),
  ];
}
