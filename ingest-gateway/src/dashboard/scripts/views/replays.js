// Every replay, newest first.

import { get } from "../api.js";
import { fill, h } from "../dom.js";
import { absolute, count } from "../format.js";
import { moment } from "../moment.js";
import { empty, pageHead, skeletons, statusLabel, trouble } from "../pieces.js";
import { poll } from "../poll.js";
import { replayProgress, replayState } from "../replay_state.js";
import { table } from "../table.js";
import { deliveryTabs } from "../tabs.js";

export const title = "Replays";

export function show({ root, query, signal }) {
  const cursor = query.get("cursor") ?? "";
  const place = h("section", { class: "panel" }, h("div", { class: "panel-body" }, skeletons(4)));
  const make = () => h("a", { class: "button button-main", href: "#/replays/new" }, "New replay");
  root.append(pageHead(title, { note: "Sends deliveries of the past again, apart from live traffic.", actions: [make()] }), deliveryTabs("replays"), place);
  const look = poll(async () => {
    const page = await get("/v1/replays", { query: { limit: 25, cursor }, signal });
    if (page.data.length === 0) fill(place, empty("No replays yet", "After a receiver was down, replay what was given up in that time.", [make()]));
    else fill(place, list(page.data), page.next_cursor && h("nav", { class: "pager", "aria-label": "Pages of replays" }, h("span", {}), h("a", { class: "button", href: `#/replays?cursor=${encodeURIComponent(page.next_cursor)}` }, "Older")));
  }, { signal, failed: (problem) => fill(place, trouble(problem, () => look())) });
}

function list(replays) {
  return table("Replays", [
    { name: "Replay", kind: "lead", cell: (one) => [
      h("a", { class: "row-link", href: `#/replays/${encodeURIComponent(one.id)}` }, one.description || one.status.map(statusLabel).join(", ")),
      h("span", { class: "under" }, `${absolute(new Date(one.from))} to ${absolute(new Date(one.to))}`),
    ] },
    { name: "State", kind: "state", cell: (one) => replayState(one) },
    { name: "Progress", kind: "mid", cell: (one) => replayProgress(one) },
    { name: "Delivered", kind: "number", cell: (one) => count(one.delivered) },
    { name: "Started", kind: "moment", cell: (one) => moment(one.created_at) },
  ], replays);
}
