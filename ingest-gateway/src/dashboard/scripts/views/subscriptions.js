// Every subscription with how well it is.

import { get, isAborted } from "../api.js";
import { fill, h } from "../dom.js";
import { count, milliseconds, percent, shortUrl } from "../format.js";
import { healthBadge } from "../health.js";
import { moment } from "../moment.js";
import { empty, icon, pageHead, skeletons, trouble } from "../pieces.js";
import { poll } from "../poll.js";
import { table } from "../table.js";

export const title = "Subscriptions";

const PAGE = 50;

export function show({ root, query, signal }) {
  let cursor = query.get("cursor") ?? "";
  const place = h("section", { class: "panel" }, h("div", { class: "panel-body" }, skeletons(6)));
  root.append(
    pageHead(title, { note: "Where events go, and how well they arrive there.", actions: [h("a", { class: "button button-main", href: "#/subscriptions/new" }, icon("plus"), "New subscription")] }),
    place);
  const look = poll(async () => {
    const [page, health] = await Promise.all([get("/v1/subscriptions", { query: { limit: PAGE, cursor }, signal }), everyHealth(signal)]);
    if (page.data.length === 0 && !cursor) fill(place, none());
    else fill(place, list(page.data, health), pager(page.next_cursor, cursor));
  }, { signal, failed: (problem) => fill(place, trouble(problem, () => look())) });
}

/** By subscription; empty on a server that does not know. */
async function everyHealth(signal) {
  const found = new Map();
  try {
    let cursor = "";
    for (let page = 0; page < 10; page += 1) {
      const { data, next_cursor: next } = await get("/v1/health", { query: { limit: 100, cursor }, signal });
      data.forEach((health) => found.set(health.subscription_id, health));
      if (!next) break;
      cursor = next;
    }
  } catch (problem) {
    if (isAborted(problem)) throw problem;
    // The subscriptions themselves are shown all the same.
  }
  return found;
}

function none() {
  return empty("No subscriptions yet", "A subscription says which events go to which URL. Create one, send it a test event, and watch it arrive.", [
    h("a", { class: "button button-main", href: "#/subscriptions/new" }, "Create a subscription"),
  ]);
}

function list(subscriptions, health) {
  const of = (subscription) => health.get(subscription.id);
  return table("Subscriptions", [
    { name: "Subscription", kind: "lead", cell: (one) => [
      h("a", { class: "row-link", href: `#/subscriptions/${encodeURIComponent(one.id)}` }, one.description || shortUrl(one.target_url)),
      h("span", { class: "under" }, one.description ? shortUrl(one.target_url) : ""),
    ] },
    { name: "Events", kind: "mid", cell: (one) => types(one) },
    { name: "State", kind: "state", cell: (one) => healthBadge(one, of(one)) },
    { name: "Success", kind: "number", cell: (one) => percent(of(one)?.success_rate) },
    { name: "p95", kind: "number", cell: (one) => milliseconds(of(one)?.latency_ms?.p95) },
    { name: "Waiting", kind: "number", cell: (one) => count(of(one)?.backlog) },
    { name: "Last attempt", kind: "moment", cell: (one) => moment(of(one)?.last_attempt_at) },
  ], subscriptions);
}

function types({ event_types: wanted, filter }) {
  const shown = wanted.slice(0, 2).map((type) => h("span", { class: "tag" }, type));
  return h("div", { class: "tags" },
    wanted.length === 0 ? h("span", { class: "soft" }, "every event") : shown,
    wanted.length > 2 && h("span", { class: "soft small" }, `and ${wanted.length - 2} more`),
    filter && h("span", { class: "tag" }, "filter"));
}

function pager(next, cursor) {
  if (!next && !cursor) return null;
  return h("nav", { class: "pager", "aria-label": "Pages of subscriptions" },
    cursor ? h("a", { class: "button", href: "#/subscriptions" }, "First page") : h("span", {}),
    next && h("a", { class: "button", href: `#/subscriptions?cursor=${encodeURIComponent(next)}` }, "Next page"));
}
