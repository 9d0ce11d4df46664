// The latest outcomes, as the stream tells them.

import { fill, h } from "./dom.js";
import { errorKind, milliseconds, reasonText } from "./format.js";
import { moment } from "./moment.js";
import { statusBadge } from "./pieces.js";
import { stream } from "./stream.js";
import { nameOf } from "./subscription_names.js";

const SHOWN = 8;
const PAINT_MS = 500;

/** A list that fills itself; `changed` hears of the stream's state, `told` of every outcome. */
export function outcomeFeed({ signal, changed, told }) {
  const latest = [];
  const place = h("div", {}, h("p", { class: "soft" }, "Outcomes appear here while you watch."));
  let timer = 0;
  const paint = () => {
    timer = 0;
    if (!signal.aborted) fill(place, h("ul", { class: "feed" }, latest.map(line)));
  };
  stream({}, {
    signal,
    outcome: (record) => {
      if (record.kind === "spill") return;
      latest.unshift(record);
      latest.length = Math.min(latest.length, SHOWN);
      timer ||= setTimeout(paint, PAINT_MS);
      told();
    },
    changed: (state) => {
      if (state === "absent") place.replaceChildren(h("p", { class: "soft" }, "This hooklog has no stream of outcomes; the numbers are asked for again and again."));
      changed(state);
    },
  });
  return place;
}

function line({ delivery_id: id, subscription_id: subscription, event_type: type, state, reason, occurred_at: at, call }) {
  const said = call ? (call.http_status ? `HTTP ${call.http_status}` : errorKind(call.error_kind)) : reasonText(reason ?? "");
  return h("li", {},
    h("span", {}, statusBadge(state)),
    h("a", { class: "row-link clip", href: `#/deliveries/${encodeURIComponent(id)}` }, type || "no type", h("span", { class: "soft" }, ` · ${nameOf(subscription)}`)),
    h("span", { class: "soft tiny" }, said, call ? ` · ${milliseconds(call.latency_micros / 1_000)}` : "", " · ", moment(at)));
}
