// An event for one subscription through its ingest URL, signed in the browser as a producer would.

import { call } from "./api.js";
import { connectionFields } from "./connection.js";
import { fill, h } from "./dom.js";
import { areaField, selectField, textField } from "./fields.js";
import { panel, withButton } from "./pieces.js";
import { say } from "./notice.js";
import { canSign, hubSignature } from "./signing.js";
import { sentResult, sentTrouble } from "./send_result.js";
import { choices, subscriptions } from "./subscription_names.js";

export function signedForm({ query, signal }) {
  const connection = connectionFields();
  const subscription = selectField("Subscription", [["", "choose one"]]);
  const type = textField("Event type", { code: true, placeholder: "order.created" });
  const secret = textField("Secret", { type: "password", code: true, autocomplete: "new-password", hint: "It signs the exact bytes below and stays in this page. Empty sends no signature." });
  const body = areaField("Body", { code: true, rows: 8, value: '{\n  "order": 17,\n  "amount": 249.5\n}' });
  const signature = h("p", { class: "hint break", "aria-live": "off" });
  const result = h("div", { class: "stack-s" });
  const send = h("button", { class: "button button-main", type: "submit" }, "Sign and send");

  subscriptions({ signal, fresh: true }).then((list) => {
    const id = query.get("id") ?? "";
    subscription.control.replaceChildren(...[["", "choose one"], ...choices(list, id)].map(([value, text]) => h("option", { value }, text)));
    subscription.control.value = id;
  }).catch(() => {});
  if (!canSign()) secret.tell("Browsers sign on https and on localhost alone; open the dashboard there, or leave the secret empty.");

  const preview = async () => {
    if (!secret.value || !canSign()) {
      signature.textContent = "";
      return;
    }
    try {
      signature.textContent = await hubSignature(secret.value, new TextEncoder().encode(body.value));
      secret.tell("");
    } catch {
      signature.textContent = "";
      secret.tell("After whsec_ there has to be base64.");
    }
  };
  secret.control.addEventListener("input", preview);
  body.control.addEventListener("input", preview);

  const submit = async () => {
    const to = connection.read();
    if (to === null) return;
    if (!subscription.value) {
      subscription.tell("Choose a subscription.");
      subscription.control.focus();
      return;
    }
    const bytes = new TextEncoder().encode(body.value);
    const headers = { "content-type": "application/json" };
    if (type.value.trim()) headers[to.type] = type.value.trim();
    try {
      if (secret.value) headers[to.signature] = await hubSignature(secret.value, bytes);
    } catch {
      secret.tell(canSign() ? "After whsec_ there has to be base64." : "This page cannot sign here; open it on https or localhost.");
      secret.control.focus();
      return;
    }
    try {
      const answer = await call("POST", `${to.base}/ingest/${encodeURIComponent(subscription.value)}`, { body: bytes, headers });
      const id = answer.body?.task_id ?? answer.body?.webhook_id;
      fill(result, sentResult(answer.body?.message ?? `The answer was ${answer.status}.`, id ? [[id, subscription.value]] : []));
      say(answer.body?.message ?? "Sent.");
    } catch (problem) {
      fill(result, sentTrouble(problem));
      say(problem.detail);
    }
  };
  return h("div", { class: "stack" },
    h("form", { class: "stack", novalidate: true, onsubmit: (event) => { event.preventDefault(); withButton(send, submit); } },
      panel(null, h("div", { class: "form" }, subscription.root, h("div", { class: "form-row" }, type.root, secret.root), body.root, signature, connection.root, h("div", { class: "form-end" }, send)))),
    result);
}
