// What the server said to an event that was sent by hand.

import { h } from "./dom.js";
import { nameOf } from "./subscription_names.js";

/** `deliveries` are `[delivery id, subscription id]`. */
export function sentResult(text, deliveries) {
  const line = ([id, subscription]) => h("li", {}, h("a", { class: "mono break", href: `#/deliveries/${encodeURIComponent(id)}` }, id), h("span", { class: "soft" }, ` to ${nameOf(subscription)}`));
  return h("div", { class: "callout", "data-tone": "ok" }, h("p", { class: "strong" }, text), deliveries.length > 0 && h("ul", { class: "small" }, deliveries.map(line)));
}

export function sentTrouble(problem) {
  return h("div", { class: "callout", "data-tone": "bad" },
    h("p", { class: "strong" }, problem.status ? `Refused with ${problem.status}` : "No answer"),
    h("p", {}, problem.detail),
    problem.errors.map(({ pointer, detail }) => h("p", { class: "small" }, `${pointer} ${detail}`)));
}
