// Where the Send page sends to, and under which header names; remembered for the tab.

import { h } from "./dom.js";
import { textField } from "./fields.js";

const DEFAULTS = { base: "/api/v1", signature: "X-Hub-Signature-256", type: "X-Event-Type" };
const TOKEN = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;

const stored = (name) => {
  try {
    return sessionStorage.getItem(`hooklog.send.${name}`);
  } catch {
    return null;
  }
};

function store(name, value) {
  try {
    sessionStorage.setItem(`hooklog.send.${name}`, value);
  } catch {
    // It is forgotten with the page.
  }
}

/** `{ root, read }`: `read` gives `{ base, signature, type }`, or null after saying what is wrong. */
export function connectionFields({ headers = true } = {}) {
  const field = (name, label, hint) => textField(label, { value: stored(name) ?? (name === "base" ? location.origin + DEFAULTS.base : DEFAULTS[name]), code: true, hint, onchange: (event) => store(name, event.target.value.trim()) });
  const base = field("base", "Base URL", "The older contracts' routes: /api/v1 or /api takes any JSON; without a path, a body with payload and event_type.");
  const signature = field("signature", "Signature header");
  const type = field("type", "Event type header");
  const root = h("details", { class: "more" }, h("summary", {}, headers ? "Base URL and header names" : "Base URL"),
    h("div", { class: "form" }, base.root, headers && h("div", { class: "form-row" }, signature.root, type.root)));
  const read = () => {
    const address = sameOrigin(base.value.trim());
    if (address === null) base.tell(`This page may speak to ${location.origin} alone.`);
    const names = headers ? [signature, type] : [];
    const wrong = names.filter((name) => !TOKEN.test(name.value.trim()));
    wrong.forEach((name) => name.tell("That is no name of a header."));
    if (address === null || wrong.length) {
      root.open = true;
      (address === null ? base : wrong[0]).control.focus();
      return null;
    }
    return { base: address, signature: signature.value.trim(), type: type.value.trim() };
  };
  return { root, read };
}

/** Without the slash at its end; null if the page's policy forbids it. */
function sameOrigin(text) {
  try {
    const url = new URL(text, location.origin);
    return url.origin === location.origin ? url.origin + url.pathname.replace(/\/+$/, "") : null;
  } catch {
    return null;
  }
}
