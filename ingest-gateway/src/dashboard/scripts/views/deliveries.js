// Deliveries: search, filters, pages. The address holds the filters, so that it can be shared.

import { get, isAborted } from "../api.js";
import { deliveryTable } from "../delivery_table.js";
import { h, fill } from "../dom.js";
import { ERROR_KIND_NAMES, errorKind, fromLocalInput, toLocalInput } from "../format.js";
import { chipsField, selectField, textField } from "../fields.js";
import { empty, pageHead, skeletons, STATUS_NAMES, statusLabel, trouble } from "../pieces.js";
import { poll } from "../poll.js";
import { choices, subscriptions } from "../subscription_names.js";
import { deliveryTabs } from "../tabs.js";

export const title = "Deliveries";

const FILTERS = ["status", "subscription_id", "event_type", "http_status", "error_kind", "accepted_from", "accepted_to"];
const PAGE = 50;
const TYPING_MS = 350;

export function show({ root, query, signal }) {
  const wanted = Object.fromEntries(FILTERS.map((name) => [name, query.get(name) ?? ""]));
  let cursors = query.get("cursor") ? ["", query.get("cursor")] : [""];
  const place = h("section", { class: "panel" }, h("div", { class: "panel-body" }, skeletons(8)));
  const replayLink = h("a", { class: "button" }, "Replay these");
  root.append(pageHead(title, { actions: [replayLink] }), deliveryTabs("deliveries"), filterForm(wanted, change, signal), place);
  describe();

  const look = poll(async () => {
    const cursor = cursors.at(-1);
    const names = subscriptions({ signal }).catch((problem) => { if (isAborted(problem)) throw problem; });
    const [page] = await Promise.all([get("/v1/deliveries", { query: { ...wanted, limit: PAGE, cursor }, signal }), names]);
    if (cursor !== cursors.at(-1)) return;
    if (page.data.length === 0) fill(place, none(isFiltered()), cursors.length > 1 && pager(page.next_cursor));
    else fill(place, deliveryTable(page.data), pager(page.next_cursor));
  }, { signal, failed: (problem) => fill(place, trouble(problem, () => look())) });

  function change(name, value) {
    if (wanted[name] === value) return;
    wanted[name] = value;
    turn([""]);
  }

  function turn(next) {
    cursors = next;
    describe();
    look();
  }

  /** What is shown stands in the address. */
  function describe() {
    const given = new URLSearchParams(Object.entries({ ...wanted, cursor: cursors.at(-1) }).filter(([, value]) => value));
    const text = given.toString();
    history.replaceState(null, "", text ? `#/deliveries?${text}` : "#/deliveries");
    const range = new URLSearchParams(["status", "subscription_id", "event_type", "accepted_from", "accepted_to"].filter((name) => wanted[name]).map((name) => [name, wanted[name]]));
    replayLink.setAttribute("href", `#/replays/new?${range}`);
  }

  function isFiltered() {
    return FILTERS.some((name) => wanted[name]);
  }

  function pager(next) {
    if (!next && cursors.length === 1) return null;
    const newer = h("button", { class: "button", type: "button", disabled: cursors.length === 1, onclick: () => turn(cursors.slice(0, -1)) }, "Newer");
    const older = h("button", { class: "button", type: "button", disabled: !next, onclick: () => turn([...cursors, next]) }, "Older");
    return h("nav", { class: "pager", "aria-label": "Pages of deliveries" }, newer, h("span", { class: "soft small" }, cursors.length === 1 ? "newest" : `page ${cursors.length}`), older);
  }
}

function none(filtered) {
  if (filtered) {
    return empty("Nothing matches", "No delivery fits all of these filters. Take one away, or widen the time.", [h("a", { class: "button", href: "#/deliveries" }, "Show all deliveries")]);
  }
  return empty("No deliveries yet", "A delivery is one event on its way to one subscription. Send an event, and it appears here.", [h("a", { class: "button button-main", href: "#/send" }, "Send an event")]);
}

function filterForm(wanted, change, signal) {
  const status = chipsField("Status", STATUS_NAMES.map((name) => [name, statusLabel(name)]), wanted.status.split(","), () => change("status", status.value.join(",")));
  const subscription = selectField("Subscription", [["", "any"]], { onchange: (event) => change("subscription_id", event.target.value) });
  const type = typed("Event type", "event_type", { placeholder: "order.created", code: true });
  const answer = typed("HTTP status", "http_status", { placeholder: "500 or 5xx", code: true });
  const kinds = [["", "any"], ...ERROR_KIND_NAMES.map((name) => [name, errorKind(name)])];
  const kind = selectField("Failure", kinds, { value: wanted.error_kind, onchange: (event) => change("error_kind", event.target.value) });
  const from = time("Accepted from", "accepted_from");
  const to = time("Accepted before", "accepted_to");

  function typed(label, name, options) {
    let timer = 0;
    return textField(label, { ...options, value: wanted[name], oninput: (event) => {
      const text = event.target.value.trim();
      clearTimeout(timer);
      timer = setTimeout(() => change(name, text), TYPING_MS);
    } });
  }
  function time(label, name) {
    return textField(label, { type: "datetime-local", value: toLocalInput(wanted[name]), onchange: (event) => change(name, fromLocalInput(event.target.value)) });
  }

  const showChoices = (list) => {
    subscription.control.replaceChildren(...[["", "any"], ...choices(list, wanted.subscription_id)].map(([value, text]) => h("option", { value }, text)));
    subscription.control.value = wanted.subscription_id;
  };
  showChoices([]);
  subscriptions({ signal }).then(showChoices).catch(() => {});
  const more = h("details", { class: "more" }, h("summary", {}, "More filters"), h("div", { class: "filter-row" }, answer.root, kind.root, from.root, to.root));
  more.open = Boolean(wanted.http_status || wanted.error_kind || wanted.accepted_from || wanted.accepted_to);
  return h("form", { class: "filters", role: "search", "aria-label": "Filter deliveries", onsubmit: (event) => event.preventDefault() },
    status.root, h("div", { class: "filter-row" }, type.root, subscription.root), more);
}
