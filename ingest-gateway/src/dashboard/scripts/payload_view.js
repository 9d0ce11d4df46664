// What an event carries: as text, whatever it is.

import { get } from "./api.js";
import { fill, h } from "./dom.js";
import { copyButton, withButton } from "./pieces.js";
import { segments } from "./fields.js";

export function payloadView({ payload, content_type: type }, path) {
  const place = h("div", { class: "stack-s" });
  const paint = (shown, form) => {
    const pretty = shown.encoding === "utf-8" ? prettyJson(shown.data, type) : null;
    const text = form === "pretty" && pretty !== null ? pretty : shown.data;
    fill(place,
      h("div", { class: "actions" },
        pretty !== null && segments("How the payload is shown", [["pretty", "Formatted"], ["raw", "As sent"]], form, (other) => paint(shown, other)),
        shown.encoding === "base64" && h("span", { class: "soft small" }, "Not text; in base64:"),
        copyButton(shown.data, "Payload")),
      h("pre", { class: "code", tabindex: "0", "aria-label": "Payload" }, text),
      shown.truncated && h("p", { class: "actions" },
        h("span", { class: "soft small" }, "This is its beginning."),
        h("button", { class: "button button-small", type: "button", onclick: (event) => withButton(event.currentTarget, () => whole(form)) }, "Show all of it")));
  };
  const whole = async (form) => paint((await get(path, { query: { payload: "full" } })).payload, form);
  if (!payload) return h("p", { class: "soft" }, "The payload is not stored any more, or never was.");
  paint(payload, "pretty");
  return place;
}

/** The same JSON with line breaks; null if it is none, or if that would change its numbers. */
function prettyJson(text, type) {
  if (type && !/json/i.test(type)) return null;
  try {
    const value = JSON.parse(text);
    if (value === null || typeof value !== "object") return null;
    // What JavaScript would round is shown as it was sent.
    if (/[-\d.eE]{16,}/.test(text.replace(/"(?:[^"\\]|\\.)*"/g, ""))) return null;
    return JSON.stringify(value, null, 2);
  } catch {
    return null;
  }
}
