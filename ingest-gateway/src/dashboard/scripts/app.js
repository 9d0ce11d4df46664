// Which page is shown: the part of the address behind "#" says it.

import { h } from "./dom.js";
import { clearNotices } from "./notice.js";
import { empty, pageHead } from "./pieces.js";
import * as deliveries from "./views/deliveries.js";
import * as delivery from "./views/delivery.js";
import * as overview from "./views/overview.js";
import * as replay from "./views/replay.js";
import * as replayForm from "./views/replay_form.js";
import * as replays from "./views/replays.js";
import * as send from "./views/send.js";
import * as settings from "./views/settings.js";
import * as subscription from "./views/subscription.js";
import * as subscriptionForm from "./views/subscription_form.js";
import * as subscriptions from "./views/subscriptions.js";

// A view has `title` and `show(page)`; a page is what `open` makes below. The first match counts.
const ROUTES = [
  ["", "overview", overview],
  ["subscriptions", "subscriptions", subscriptions],
  ["subscriptions/new", "subscriptions", subscriptionForm],
  ["subscriptions/:id", "subscriptions", subscription],
  ["subscriptions/:id/edit", "subscriptions", subscriptionForm],
  ["deliveries", "deliveries", deliveries],
  ["deliveries/:id", "deliveries", delivery],
  ["replays", "deliveries", replays],
  ["replays/new", "deliveries", replayForm],
  ["replays/:id", "deliveries", replay],
  ["send", "send", send],
  ["settings", "settings", settings],
];

const NOWHERE = {
  title: "Not found",
  show: ({ root }) => root.append(pageHead("Not found"), empty("There is no such page", "The address may be mistyped.", [h("a", { class: "button", href: "#/" }, "Go to the overview")])),
};

function match(path) {
  const parts = path.split("/").filter(Boolean).map(decoded);
  for (const [pattern, section, view] of ROUTES) {
    const wanted = pattern.split("/").filter(Boolean);
    const params = {};
    const fits = wanted.length === parts.length && wanted.every((want, at) => {
      if (!want.startsWith(":")) return want === parts[at];
      params[want.slice(1)] = parts[at];
      return true;
    });
    if (fits) return { section, view, params };
  }
  return { section: null, view: NOWHERE, params: {} };
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

let leave = new AbortController();
let opened = null;

function open() {
  leave.abort();
  leave = new AbortController();
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const { section, view, params } = match(path);
  const main = document.getElementById("main");
  const root = h("div", { class: "page" });
  main.replaceChildren(root);
  document.title = `${view.title} · hooklog`;
  for (const link of document.querySelectorAll(".nav a")) {
    if (link.dataset.section === section) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.querySelectorAll("dialog[open]").forEach((dialog) => dialog.close());
  clearNotices();
  view.show({ root, params, query: new URLSearchParams(query), signal: leave.signal });
  // Another filter of the same page leaves the focus alone; another page takes it to its heading.
  if (opened !== null && opened !== path) {
    root.querySelector("h1")?.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }
  opened = path;
}

document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  document.getElementById("main").focus();
});
window.addEventListener("hashchange", open);
open();
