// Short words about what was done: seen for a moment, and said to who does not see them.

import { h } from "./dom.js";

const SHOWN_MS = 6_000;

function show(text, tone, target) {
  document.getElementById(target).textContent = text;
  const close = h("button", { class: "button button-quiet button-small", type: "button", onclick: () => notice.remove() }, "Dismiss");
  const notice = h("div", { class: "notice", "data-tone": tone }, h("p", {}, text), close);
  const place = document.getElementById("notices");
  place.append(notice);
  while (place.childElementCount > 3) place.firstElementChild.remove();
  if (tone !== "bad") setTimeout(() => notice.remove(), SHOWN_MS);
}

export const succeeded = (text) => show(text, "ok", "said");
export const failed = (text) => show(text, "bad", "alarmed");

/** Says something to screen readers alone. */
export function say(text) {
  document.getElementById("said").textContent = text;
}

/** Removes what is about a page that is gone. */
export function clearNotices() {
  document.querySelectorAll("#notices .notice[data-tone=bad]").forEach((notice) => notice.remove());
}
