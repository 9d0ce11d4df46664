// What subscriptions are called, so that lists need not show ids. Asked for once a minute at most.

import { get } from "./api.js";
import { shortId, shortUrl } from "./format.js";

const FRESH_MS = 60_000;
const PAGES = 10;

let known = { at: 0, list: [] };

/** The first thousand subscriptions, as the API shows them. */
export async function subscriptions({ signal, fresh = false } = {}) {
  if (!fresh && Date.now() - known.at < FRESH_MS) return known.list;
  const list = [];
  let cursor = "";
  for (let page = 0; page < PAGES; page += 1) {
    const { data, next_cursor: next } = await get("/v1/subscriptions", { query: { limit: 100, cursor }, signal });
    list.push(...data);
    if (!next) break;
    cursor = next;
  }
  known = { at: Date.now(), list };
  return list;
}

export function forgetSubscriptions() {
  known = { at: 0, list: [] };
}

export const label = (subscription) => subscription.description || shortUrl(subscription.target_url);

/** What a subscription is called, if it is known; else the beginning of its id. */
export function nameOf(id) {
  const found = known.list.find((subscription) => subscription.id === id);
  return found ? label(found) : shortId(id);
}

/** Choices for a select, with `id` among them even if it is not known. */
export function choices(list, id) {
  const named = list.map((subscription) => [subscription.id, `${label(subscription)} · ${shortId(subscription.id)}`]);
  return id && !list.some((subscription) => subscription.id === id) ? [[id, shortId(id)], ...named] : named;
}
