// An event for every subscription that wants it.

import { call } from "./api.js";
import { fill, h } from "./dom.js";
import { areaField, textField } from "./fields.js";
import { panel, withButton } from "./pieces.js";
import { say } from "./notice.js";
import { sentResult, sentTrouble } from "./send_result.js";

export function publishForm() {
  const type = textField("Event type", { code: true, placeholder: "order.created", required: true });
  const content = textField("Content type", { code: true, value: "application/json" });
  const key = textField("Idempotency key", { code: true, placeholder: "none", hint: "The same key with the same event is delivered once." });
  const body = areaField("Body", { code: true, rows: 8, value: '{\n  "order": 17,\n  "amount": 249.5\n}', hint: "Delivered byte for byte." });
  const result = h("div", { class: "stack-s" });
  const send = h("button", { class: "button button-main", type: "submit" }, "Publish");
  const submit = async () => {
    if (!type.value.trim()) {
      type.tell("An event needs a type.");
      type.control.focus();
      return;
    }
    const headers = { "content-type": content.value.trim(), "x-event-type": type.value.trim() };
    if (key.value.trim()) headers["idempotency-key"] = key.value.trim();
    try {
      const { body: answer } = await call("POST", "/v1/events", { body: new TextEncoder().encode(body.value), headers });
      const found = answer.delivery_count ?? 0;
      const text = found === 0 ? "Accepted; no subscription wants it at this moment." : `Accepted for ${found} ${found === 1 ? "subscription" : "subscriptions"}.`;
      fill(result, sentResult(text, (answer.deliveries ?? []).map((one) => [one.delivery_id, one.subscription_id])));
      say(text);
    } catch (problem) {
      fill(result, sentTrouble(problem));
      say(problem.detail);
    }
  };
  return h("div", { class: "stack" },
    h("form", { class: "stack", novalidate: true, onsubmit: (event) => { event.preventDefault(); withButton(send, submit); } },
      panel(null, h("div", { class: "form" }, h("div", { class: "form-row" }, type.root, content.root, key.root), body.root, h("div", { class: "form-end" }, send)))),
    result);
}
