// What can be done to a subscription, as the buttons of its page.

import { call, post } from "./api.js";
import { choose, confirm, showSecret } from "./dialogs.js";
import { h } from "./dom.js";
import { selectField } from "./fields.js";
import { succeeded } from "./notice.js";
import { button, withButton } from "./pieces.js";
import { forgetSubscriptions, label } from "./subscription_names.js";

const OVERLAPS = [["86400", "24 hours"], ["3600", "1 hour"], ["604800", "7 days"], ["0", "none: the old key ends at once"]];

/** `context` is `{ path, again }`: where the subscription is, and how to look at it again. */
export function subscriptionActions(subscription, { path, again }) {
  const act = (work) => (event) => withButton(event.currentTarget, work);
  return [
    button("Send test", act(() => test(path)), { disabled: subscription.paused !== null }),
    subscription.paused
      ? button("Resume", act(() => setPaused(path, false, again)), { kind: "button-main" })
      : button("Pause", act(() => setPaused(path, true, again))),
    h("a", { class: "button", href: `#/subscriptions/${encodeURIComponent(subscription.id)}/edit` }, "Edit"),
    button("Rotate secret", act(() => rotate(path, again))),
    button("Delete", act(() => remove(path, subscription)), { kind: "button-bad" }),
  ];
}

async function test(path) {
  const { delivery_id: id } = await post(`${path}/test`);
  succeeded("Test event sent.");
  location.hash = `#/deliveries/${encodeURIComponent(id)}`;
}

async function setPaused(path, paused, again) {
  await post(`${path}/${paused ? "pause" : "resume"}`);
  forgetSubscriptions();
  succeeded(paused ? "Paused. Events are kept and wait." : "Resumed.");
  again();
}

async function rotate(path, again) {
  const overlap = await choose({
    title: "Make a new key?",
    text: "Deliveries are signed with the new key from now on. The old one goes on signing beside it for the overlap, so that the receiver can change over.",
    field: selectField("Overlap", OVERLAPS),
    yes: "Make a new key",
  });
  if (overlap === null) return;
  const changed = await post(`${path}/rotate-secret`, { overlap_seconds: Number(overlap) });
  again();
  await showKeys(changed, "The new key");
}

/** Shows the keys that an answer has made, if it made any. */
export async function showKeys(answer, title) {
  const secrets = [["Signing secret", answer.signing_secret], ["Public key", answer.signing_public_key]].filter(([, key]) => key);
  if (secrets.length === 0) return;
  await showSecret({ title, text: "Give it to the receiver now: the secret is shown this once and never again.", secrets });
}

async function remove(path, subscription) {
  const sure = await confirm({
    title: "Delete this subscription?",
    text: `“${label(subscription)}” gets no more events, and what waits for it is cancelled. Its past deliveries stay.`,
    yes: "Delete it",
    bad: true,
    word: "delete",
  });
  if (!sure) return;
  await call("DELETE", path);
  forgetSubscriptions();
  succeeded("Deleted.");
  location.hash = "#/subscriptions";
}
