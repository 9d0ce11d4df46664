// Starts a replay of a range.

import { post } from "../api.js";
import { h } from "../dom.js";
import { fromLocalInput, toLocalInput } from "../format.js";
import { chipsField, selectField, tellErrors, textField } from "../fields.js";
import { succeeded } from "../notice.js";
import { pageHead, panel, statusLabel, withButton } from "../pieces.js";
import { choices, subscriptions } from "../subscription_names.js";

export const title = "New replay";

const STATUSES = ["dead_lettered", "delivered", "cancelled"];
const HOUR_MS = 3_600_000;

export function show({ root, query, signal }) {
  root.classList.add("page-narrow");
  const now = Date.now();
  const from = textField("From", { type: "datetime-local", value: toLocalInput(query.get("accepted_from") || new Date(now - HOUR_MS).toISOString()), hint: "By when the event was accepted." });
  const to = textField("Before", { type: "datetime-local", value: toLocalInput(query.get("accepted_to") || new Date(now + 60_000).toISOString()) });
  const asked = (query.get("status") ?? "").split(",").filter((status) => STATUSES.includes(status));
  const status = chipsField("Which end it came to", STATUSES.map((name) => [name, statusLabel(name)]), asked.length ? asked : ["dead_lettered"], () => {});
  const only = selectField("Of the subscription", [["", "every one"]]);
  const type = textField("Event type", { value: query.get("event_type") ?? "", code: true, placeholder: "every one" });
  const target = selectField("Goes to", [["", "the subscription that it was for"]], { hint: "Another one gets it with its own URL and keys; it may be younger than the events." });
  const description = textField("Description", { placeholder: "After the outage of the shop" });
  const rest = h("p", { class: "fault", role: "alert" });
  const start = h("button", { class: "button button-main", type: "submit" }, "Start the replay");

  const offer = (field, none, id) => (list) => {
    field.control.replaceChildren(...[["", none], ...choices(list, id)].map(([value, text]) => h("option", { value }, text)));
    field.control.value = id;
  };
  subscriptions({ signal }).then((list) => {
    offer(only, "every one", query.get("subscription_id") ?? "")(list);
    offer(target, "the subscription that it was for", "")(list);
  }).catch(() => {});

  const send = async () => {
    rest.textContent = "";
    const body = {
      from: fromLocalInput(from.value), to: fromLocalInput(to.value), status: status.value, subscription_id: only.value || null,
      event_type: type.value.trim() || null, to_subscription_id: target.value || null, description: description.value.trim() || null,
    };
    if (!body.from || !body.to || body.from >= body.to) {
      to.tell("The end has to be after the beginning.");
      to.control.focus();
      return;
    }
    if (body.status.length === 0) {
      rest.textContent = "Choose at least one end that the deliveries came to.";
      return;
    }
    try {
      const replay = await post("/v1/replays", body);
      succeeded("The replay has begun.");
      location.hash = `#/replays/${encodeURIComponent(replay.id)}`;
    } catch (problem) {
      rest.textContent = tellErrors(problem, [["/from", from], ["/to", to], ["/subscription_id", only], ["/event_type", type], ["/to_subscription_id", target], ["/description", description]]);
    }
  };
  root.append(
    pageHead(title, { trail: { href: "#/replays", text: "Replays" }, note: "Receivers see the same webhook-id as the first time. Live traffic goes first." }),
    h("form", { class: "stack", novalidate: true, onsubmit: (event) => { event.preventDefault(); withButton(start, send); } },
      panel("What", h("div", { class: "form" }, h("div", { class: "form-row" }, from.root, to.root), status.root, h("div", { class: "form-row" }, only.root, type.root))),
      panel("Where", h("div", { class: "form" }, target.root, description.root)),
      rest, h("div", { class: "form-end" }, start, h("a", { class: "button", href: "#/replays" }, "Cancel"))));
}
