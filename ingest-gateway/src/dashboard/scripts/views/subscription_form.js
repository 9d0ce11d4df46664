// Creates a subscription, or changes one: the same form.

import { call, isAborted } from "../api.js";
import { fill, h } from "../dom.js";
import { tellErrors } from "../fields.js";
import { succeeded } from "../notice.js";
import { pageHead, panel, skeletons, trouble, withButton } from "../pieces.js";
import { showKeys } from "../subscription_actions.js";
import { subscriptionFields } from "../subscription_fields.js";
import { forgetSubscriptions, label } from "../subscription_names.js";

export const title = "Subscription";

const BLANK = {
  target_url: "", description: null, event_types: [], filter: null, headers: {}, max_concurrency: null, rate_limit: null,
  timeout_seconds: null, retry: null, retry_on: null, verification: null, signing: { schemes: ["standard"] }, labels: {},
};

export async function show({ root, params, signal }) {
  root.classList.add("page-narrow");
  if (!params.id) {
    root.append(pageHead("New subscription", { trail: { href: "#/subscriptions", text: "Subscriptions" } }), form(BLANK, null, null));
    return;
  }
  const place = h("div", { class: "stack" }, panel(null, skeletons(8)));
  const trail = { href: `#/subscriptions/${encodeURIComponent(params.id)}`, text: "Back to the subscription" };
  root.append(pageHead("Edit subscription", { trail }), place);
  const load = async () => {
    try {
      const { body, headers } = await call("GET", `/v1/subscriptions/${encodeURIComponent(params.id)}`, { signal });
      document.title = `Edit ${label(body)} · hooklog`;
      fill(place, form(body, params.id, headers.get("etag")));
    } catch (problem) {
      if (!isAborted(problem)) fill(place, h("section", { class: "panel" }, trouble(problem, load)));
    }
  };
  await load();
}

function form(current, id, etag) {
  const { sections, fields, read } = subscriptionFields(current);
  const rest = h("p", { class: "fault", role: "alert" });
  const save = h("button", { class: "button button-main", type: "submit" }, id ? "Save" : "Create");
  const cancel = h("a", { class: "button", href: id ? `#/subscriptions/${encodeURIComponent(id)}` : "#/subscriptions" }, "Cancel");
  const send = async () => {
    rest.textContent = "";
    let body;
    try {
      body = read();
    } catch (error) {
      rest.textContent = error.message;
      return;
    }
    try {
      const path = id ? `/v1/subscriptions/${encodeURIComponent(id)}` : "/v1/subscriptions";
      const headers = id ? { "if-match": etag, "content-type": "application/merge-patch+json" } : {};
      const { body: saved } = await call(id ? "PATCH" : "POST", path, { json: body, headers });
      forgetSubscriptions();
      succeeded(id ? "Saved." : "Created.");
      location.hash = `#/subscriptions/${encodeURIComponent(saved.id)}`;
      await afterNavigation();
      await showKeys(saved, id ? "A new key was made" : "The signing secret");
    } catch (problem) {
      rest.textContent = problem.code === "version_mismatch"
        ? "Somebody else has changed this subscription meanwhile. Open it again and repeat your changes."
        : tellErrors(problem, fields);
    }
  };
  return h("form", { class: "stack", novalidate: true, onsubmit: (event) => { event.preventDefault(); withButton(save, send); } },
    sections, rest, h("div", { class: "form-end" }, save, cancel));
}

/** The page changes first, for a dialog ends with its page. */
function afterNavigation() {
  return new Promise((resolve) => { window.addEventListener("hashchange", () => setTimeout(resolve), { once: true }); });
}
