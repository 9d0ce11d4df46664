// What became of a delivery, by its id: as the older contract answers it, so that it works with
// every version.

import { call } from "./api.js";
import { connectionFields } from "./connection.js";
import { fill, h } from "./dom.js";
import { textField } from "./fields.js";
import { count } from "./format.js";
import { moment } from "./moment.js";
import { badge, facts, panel, withButton } from "./pieces.js";
import { say } from "./notice.js";
import { sentTrouble } from "./send_result.js";

const TONES = { pending: "info", queued: "info", processing: "info", retrying: "warn", succeeded: "ok", failed: "bad" };

export function lookupForm({ query }) {
  const connection = connectionFields({ headers: false });
  const id = textField("Delivery id", { code: true, value: query.get("id") ?? "", placeholder: "webhook_id, task_id or delivery id" });
  const result = h("div", { class: "stack-s" });
  const ask = h("button", { class: "button button-main", type: "submit" }, "Look up");
  const submit = async () => {
    const to = connection.read();
    if (to === null) return;
    const wanted = id.value.trim();
    if (!wanted) {
      id.tell("Paste the id of a delivery.");
      id.control.focus();
      return;
    }
    try {
      const ofA = new URL(to.base).pathname === "/";
      const path = ofA ? `/status/${encodeURIComponent(wanted)}` : `/status/delivery_tasks/${encodeURIComponent(wanted)}`;
      const { body } = await call("GET", to.base.replace(/\/$/, "") + path);
      fill(result, panel("What became of it", found(body)));
      say(`Status ${body.status}.`);
    } catch (problem) {
      fill(result, sentTrouble(problem));
      say(problem.detail);
    }
  };
  return h("div", { class: "stack" },
    h("form", { class: "stack", novalidate: true, onsubmit: (event) => { event.preventDefault(); withButton(ask, submit); } },
      panel(null, h("div", { class: "form" }, id.root, connection.root, h("div", { class: "form-end" }, ask)))),
    result);
}

function found(status) {
  const attempts = status.attempts ?? [];
  const last = attempts.at(-1);
  return facts([
    ["Status", badge(status.status, TONES[status.status] ?? "mute")],
    ["Delivery", h("a", { class: "mono break", href: `#/deliveries/${encodeURIComponent(status.id)}` }, status.id)],
    ["Attempts", count(attempts.length)],
    last && ["Last answer", `${last.http_status ?? last.http_status_code ?? "none"}${last.error_details ? `: ${last.error_details}` : ""}`],
    ["Accepted", moment(status.created_at ?? status.ingested_at, { both: true })],
    status.next_attempt_at && ["Next attempt", moment(status.next_attempt_at, { both: true })],
  ]);
}
