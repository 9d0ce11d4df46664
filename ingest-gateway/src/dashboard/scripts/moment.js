// Instants on the page: relative, kept true while they stand there, absolute on hover.

import { h } from "./dom.js";
import { absolute, relative } from "./format.js";

const LOOK_AGAIN_MS = 1_000;

/** A `<time>` for an RFC 3339 instant; a dash for none. */
export function moment(iso, { both = false } = {}) {
  if (!iso) return h("span", { class: "soft" }, "–");
  const date = new Date(iso);
  const text = h("time", { datetime: iso, title: absolute(date), "data-relative": true }, relative(date.getTime(), Date.now()));
  return both ? h("span", {}, text, h("span", { class: "soft" }, ` · ${absolute(date)}`)) : text;
}

setInterval(() => {
  if (document.hidden) return;
  const now = Date.now();
  for (const element of document.querySelectorAll("time[data-relative]")) {
    const text = relative(new Date(element.dateTime).getTime(), now);
    if (element.textContent !== text) element.textContent = text;
  }
}, LOOK_AGAIN_MS);
