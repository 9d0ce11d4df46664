// One subscription: its health, its configuration, its latest deliveries, and what can be done.

import { call, get, isAborted } from "../api.js";
import { fill, h } from "../dom.js";
import { seconds, shortUrl } from "../format.js";
import { healthBadge, healthFigures } from "../health.js";
import { moment } from "../moment.js";
import { copyButton, facts, pageHead, panel, skeletons, trouble } from "../pieces.js";
import { poll } from "../poll.js";
import { subscriptionActions } from "../subscription_actions.js";
import { deliveryTable } from "../delivery_table.js";

export const title = "Subscription";

export function show({ root, params, signal }) {
  const path = `/v1/subscriptions/${encodeURIComponent(params.id)}`;
  const head = h("div", {}, pageHead(title, { trail: { href: "#/subscriptions", text: "Subscriptions" } }));
  const body = h("div", { class: "stack" }, panel("Health", skeletons(3)), panel("Configuration", skeletons(6)));
  root.append(head, body);
  let painted = "";
  const look = poll(async () => {
    const [{ body: subscription, headers }, health, latest] = await Promise.all([
      call("GET", path, { signal }),
      optional(get(`${path}/health`, { signal })),
      optional(get("/v1/deliveries", { query: { subscription_id: params.id, limit: 8 }, signal })),
    ]);
    const state = JSON.stringify([subscription, health, latest]);
    if (state === painted) return;
    painted = state;
    document.title = `${subscription.description || shortUrl(subscription.target_url)} · hooklog`;
    fill(head, heading(subscription, health, { path, etag: headers.get("etag"), again: () => look() }));
    fill(body,
      health && healthPanel(health),
      latest && panel("Latest deliveries", latest.data.length === 0 ? h("p", { class: "soft panel-body" }, "None yet. Send a test to see one.") : deliveryTable(latest.data, { subscription: false }), { flush: true, note: h("a", { href: `#/deliveries?subscription_id=${encodeURIComponent(params.id)}` }, "All of them") }),
      panel("Configuration", configuration(subscription)));
  }, {
    signal,
    failed: (problem) => {
      painted = "";
      fill(body, h("section", { class: "panel" }, trouble(problem, () => look())));
    },
  });
}

/** What a server of an older version does not know is left out. */
async function optional(asked) {
  try {
    return await asked;
  } catch (problem) {
    if (isAborted(problem)) throw problem;
    return null;
  }
}

function heading(subscription, health, context) {
  const name = subscription.description || shortUrl(subscription.target_url);
  return pageHead(name, {
    trail: { href: "#/subscriptions", text: "Subscriptions" },
    note: h("span", { class: "actions" }, healthBadge(subscription, health), h("span", { class: "break" }, subscription.target_url)),
    actions: subscriptionActions(subscription, context),
  });
}

function healthPanel(health) {
  const said = health.last_error || health.last_http_status;
  return h("div", { class: "stack" },
    healthFigures(health),
    said && health.consecutive_failures > 0 && h("p", { class: "callout", "data-tone": "bad" },
      h("span", { class: "strong" }, "Last failure: "), health.last_http_status ? `HTTP ${health.last_http_status}. ` : "", health.last_error ?? "",
      health.last_success_at && [h("br"), h("span", { class: "soft small" }, "Last success ", moment(health.last_success_at))]));
}

function configuration(subscription) {
  const { filter, headers, labels, retry, retry_on: retryOn, verification, signing } = subscription;
  const tags = (texts) => h("div", { class: "tags" }, texts.map((text) => h("span", { class: "tag" }, text)));
  const pairs = (object) => (Object.keys(object).length ? tags(Object.entries(object).map(([name, value]) => `${name}: ${value}`)) : null);
  return facts([
    ["Id", h("span", { class: "inline" }, h("code", {}, subscription.id), copyButton(subscription.id, "Id"))],
    ["Target", h("span", { class: "break" }, subscription.target_url)],
    ["Events", subscription.event_types.length ? tags(subscription.event_types) : "every event"],
    ["Payload filter", filter && h("code", {}, filter.jsonpath ?? JSON.stringify(filter))],
    ["Headers", pairs(headers)],
    ["Labels", pairs(labels)],
    ["Timeout", subscription.timeout_seconds ? seconds(subscription.timeout_seconds) : "the installation's"],
    ["Limits", limits(subscription)],
    ["Retries", retryText(retry)],
    ["Retried", retryOn ? tags(retryOn.map(String)) : "every failure but 410"],
    ["Verification of what comes in", verification ? tags([verification.preset, `${verification.secret_count} ${verification.secret_count === 1 ? "secret" : "secrets"}`]) : "none"],
    ["Signing of what goes out", signing ? tags(signing.schemes ?? []) : "none"],
    ["Public key", signing?.public_key && h("code", {}, signing.public_key)],
    ["Created", moment(subscription.created_at, { both: true })],
    ["Changed", h("span", {}, moment(subscription.updated_at, { both: true }), h("span", { class: "soft" }, ` · version ${subscription.version}`))],
  ]);
}

function limits({ max_concurrency: calls, rate_limit: rate }) {
  const said = [calls && `${calls} calls at once`, rate && `${rate} calls a second`].filter(Boolean);
  return said.length ? said.join(", ") : "the installation's";
}

function retryText(retry) {
  if (!retry) return "the installation's";
  if (retry.schedule) return retry.schedule.length ? `after ${retry.schedule.map(seconds).join(", ")}` : "never";
  const { base_seconds: base, factor, max_delay_seconds: most, max_attempts: attempts } = retry.exponential;
  return `${attempts} attempts; after ${seconds(base)}, then ${factor} times as long, ${seconds(most)} at most`;
}
