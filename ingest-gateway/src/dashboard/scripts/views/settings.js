// What this browser remembers: the API key, the theme, how often to look.

import { get } from "../api.js";
import { h } from "../dom.js";
import { segments, textField } from "../fields.js";
import { failed, succeeded } from "../notice.js";
import { button, pageHead, panel, withButton } from "../pieces.js";
import { apiKey, refreshSeconds, REFRESH_CHOICES, setApiKey, setRefreshSeconds, setTheme, theme } from "../preferences.js";
import { forgetSubscriptions } from "../subscription_names.js";

export const title = "Settings";

const THEMES = [["system", "System"], ["light", "Light"], ["dark", "Dark"]];

export function show({ root, signal }) {
  root.classList.add("page-narrow");
  const key = textField("API key", { type: "password", code: true, autocomplete: "off", value: apiKey() ?? "", placeholder: "hk_…", hint: "Kept until this tab is closed, and sent to this server alone." });
  const save = h("button", { class: "button button-main", type: "submit" }, "Use this key");
  const use = async () => {
    setApiKey(key.value.trim());
    forgetSubscriptions();
    try {
      await get("/v1/subscriptions", { query: { limit: 1 }, signal });
      key.tell("");
      succeeded(key.value.trim() ? "The key works." : "No key is sent any more; none is needed here.");
    } catch (problem) {
      key.tell(problem.detail);
      failed(problem.status === 401 || problem.status === 403 ? "The server does not take this key." : problem.detail);
    }
  };
  const forget = button("Forget it", () => {
    key.control.value = "";
    setApiKey(null);
    succeeded("Forgotten.");
  });
  const refreshes = REFRESH_CHOICES.map((seconds) => [seconds, seconds === 0 ? "Never" : `${seconds} s`]);
  root.append(
    pageHead(title, { note: "They belong to this browser and change nothing on the server." }),
    panel("Access", h("form", { class: "form", novalidate: true, onsubmit: (event) => { event.preventDefault(); withButton(save, use); } }, key.root, h("div", { class: "form-end" }, save, forget))),
    panel("Appearance", h("div", { class: "form" },
      row("Theme", segments("Theme", THEMES, theme(), setTheme)),
      row("Look for news", segments("Look for news every", refreshes, refreshSeconds(), setRefreshSeconds)))));
}

function row(name, control) {
  return h("div", { class: "setting" }, h("span", { class: "strong small", "aria-hidden": "true" }, name), control);
}
