// One replay while it runs, and after.

import { get, isAborted, post } from "../api.js";
import { confirm } from "../dialogs.js";
import { fill, h } from "../dom.js";
import { absolute, count } from "../format.js";
import { moment } from "../moment.js";
import { succeeded } from "../notice.js";
import { button, facts, figure, pageHead, panel, skeletons, statusLabel, trouble, withButton } from "../pieces.js";
import { poll } from "../poll.js";
import { replayProgress, replayState } from "../replay_state.js";
import { nameOf, subscriptions } from "../subscription_names.js";

export const title = "Replay";

const TRAIL = { href: "#/replays", text: "Replays" };

export function show({ root, params, signal }) {
  const path = `/v1/replays/${encodeURIComponent(params.id)}`;
  const head = h("div", {}, pageHead(title, { trail: TRAIL }));
  const body = h("div", { class: "stack" }, panel(null, skeletons(5)));
  root.append(head, body);
  let running = true;
  const look = poll(async () => {
    const names = subscriptions({ signal }).catch((problem) => { if (isAborted(problem)) throw problem; });
    const [replay] = await Promise.all([get(path, { signal }), names]);
    running = replay.state === "running";
    fill(head, heading(replay, path, () => look()));
    fill(body,
      panel("Progress", h("div", { class: "stack-s" }, replayProgress(replay), replay.error && h("p", { class: "fault" }, replay.error))),
      h("dl", { class: "figures" },
        figure("Published", count(replay.published)), figure("Delivered", count(replay.delivered)),
        figure("Dead letters", count(replay.dead_lettered), null, replay.dead_lettered > 0 ? "bad" : null), figure("Skipped", count(replay.skipped), "nothing stored to send")),
      panel("What is sent again", about(replay)));
  }, { signal, failed: (problem) => fill(body, h("section", { class: "panel" }, trouble(problem, () => look()))), pauseSeconds: () => (running ? 1 : 0) });
}

function heading(replay, path, again) {
  const cancel = async () => {
    if (!(await confirm({ title: "Cancel this replay?", text: "What it has published already is delivered; the rest is not sent.", yes: "Cancel it", bad: true }))) return;
    await post(`${path}/cancel`);
    succeeded("Cancelled.");
    again();
  };
  return pageHead(replay.description || title, {
    trail: TRAIL,
    note: replayState(replay),
    actions: replay.state === "running" ? [button("Cancel replay", (event) => withButton(event.currentTarget, cancel), { kind: "button-bad" })] : [],
  });
}

function about(replay) {
  const name = (id) => h("a", { class: "break", href: `#/subscriptions/${encodeURIComponent(id)}` }, nameOf(id));
  return facts([
    ["Accepted", `${absolute(new Date(replay.from))} to ${absolute(new Date(replay.to))}`],
    ["Status", replay.status.map(statusLabel).join(", ")],
    ["Subscription", replay.subscription_id ? name(replay.subscription_id) : "every one"],
    ["Event type", replay.event_type ?? "every one"],
    ["Goes to", replay.to_subscription_id ? name(replay.to_subscription_id) : "the subscription that it was for"],
    ["Started", moment(replay.created_at, { both: true })],
    replay.ended_at && ["Ended", moment(replay.ended_at, { both: true })],
  ]);
}
