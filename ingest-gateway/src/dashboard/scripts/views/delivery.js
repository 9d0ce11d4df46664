// One delivery: every attempt, the payload as text, retry and cancel.

import { get, isAborted, post } from "../api.js";
import { attemptList } from "../attempt_list.js";
import { confirm } from "../dialogs.js";
import { fill, h } from "../dom.js";
import { bytes, count, reasonText } from "../format.js";
import { moment } from "../moment.js";
import { succeeded } from "../notice.js";
import { button, copyButton, facts, pageHead, panel, skeletons, statusBadge, trouble, withButton } from "../pieces.js";
import { payloadView } from "../payload_view.js";
import { poll } from "../poll.js";
import { nameOf, subscriptions } from "../subscription_names.js";

export const title = "Delivery";

const TRAIL = { href: "#/deliveries", text: "Deliveries" };
const ENDED = ["delivered", "dead_lettered", "cancelled"];

export function show({ root, params, signal }) {
  const path = `/v1/deliveries/${encodeURIComponent(params.id)}`;
  const head = h("div", {}, pageHead(title, { trail: TRAIL }));
  const body = h("div", { class: "stack" }, panel(null, skeletons(5)), panel("Attempts", skeletons(3)));
  root.append(head, body);
  let painted = "";
  const look = poll(async () => {
    const names = subscriptions({ signal }).catch((problem) => { if (isAborted(problem)) throw problem; });
    const [delivery] = await Promise.all([get(path, { signal }), names]);
    const state = JSON.stringify(delivery);
    if (state === painted) return;
    painted = state;
    fill(head, heading(delivery, path, () => look()));
    fill(body, panel(null, overview(delivery)),
      h("div", { class: "grid-2" },
        panel("Attempts", attemptList(delivery), { note: count(delivery.timeline.length) }),
        panel("Payload", payloadView(delivery, path))));
  }, {
    signal,
    failed: (problem) => {
      painted = "";
      fill(body, h("section", { class: "panel" }, trouble(problem, () => look())));
    },
  });
}

function heading(delivery, path, again) {
  const ended = ENDED.includes(delivery.status);
  return pageHead(delivery.event_type || "Delivery", {
    trail: TRAIL,
    note: h("span", { class: "actions" }, statusBadge(delivery.status), delivery.reason && h("span", {}, reasonText(delivery.reason))),
    actions: ended
      ? [button("Retry", (event) => withButton(event.currentTarget, () => retry(delivery, path)), { kind: "button-main" })]
      : [button("Cancel delivery", (event) => withButton(event.currentTarget, () => cancel(path, again)), { kind: "button-bad" })],
  });
}

async function retry(delivery, path) {
  if (delivery.status === "delivered") {
    const sure = await confirm({ title: "Send it again?", text: "It was delivered already. The receiver sees it a second time, with the same webhook-id.", yes: "Send it again" });
    if (!sure) return;
  }
  const made = await post(`${path}/retry`);
  succeeded("On its way again.");
  location.hash = `#/deliveries/${encodeURIComponent(made.id)}`;
}

async function cancel(path, again) {
  const sure = await confirm({ title: "Cancel this delivery?", text: "No more attempts are made. A call that is under way now still ends.", yes: "Cancel it", bad: true });
  if (!sure) return;
  await post(`${path}/cancel`);
  succeeded("Cancelled.");
  again();
}

function overview(delivery) {
  const link = (id) => h("a", { class: "mono", href: `#/deliveries/${encodeURIComponent(id)}` }, id);
  return facts([
    ["Subscription", h("a", { class: "break", href: `#/subscriptions/${encodeURIComponent(delivery.subscription_id)}` }, nameOf(delivery.subscription_id))],
    ["Delivery", h("span", { class: "inline" }, h("code", {}, delivery.id), copyButton(delivery.id, "Id"))],
    delivery.message_id && delivery.message_id !== delivery.id && ["webhook-id", h("code", {}, delivery.message_id)],
    delivery.replay_of && ["Sent again", h("span", {}, "after ", link(delivery.replay_of))],
    ["Accepted", moment(delivery.accepted_at, { both: true })],
    delivery.next_attempt_at && ["Next attempt", moment(delivery.next_attempt_at, { both: true })],
    ["Content", `${delivery.content_type ?? "unknown type"}${delivery.payload_bytes === null || delivery.payload_bytes === undefined ? "" : `, ${bytes(delivery.payload_bytes)}`}`],
  ]);
}
