// The small parts that every page is made of.

import { drawn, h } from "./dom.js";
import { failed, succeeded } from "./notice.js";

const PATHS = {
  check: "m3 8.5 3.2 3.2L13 4.8",
  cross: "m4 4 8 8M12 4l-8 8",
  clock: "M8 4.5V8l2.2 1.6",
  plus: "M8 3v10M3 8h10",
  copy: "M6 6h7v7H6zM10 6V3H3v7h3",
};

export function icon(name) {
  return drawn("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, drawn("path", { d: PATHS[name] }));
}

const STATUSES = {
  pending: ["Pending", "info"],
  retrying: ["Retrying", "warn"],
  delivered: ["Delivered", "ok"],
  dead_lettered: ["Dead letter", "bad"],
  cancelled: ["Cancelled", "mute"],
};

export const STATUS_NAMES = Object.keys(STATUSES);
export const statusLabel = (status) => STATUSES[status]?.[0] ?? status;

export function badge(text, tone) {
  return h("span", { class: "badge", "data-tone": tone }, text);
}

/** What a delivery's status looks like everywhere. */
export function statusBadge(status) {
  const [text, tone] = STATUSES[status] ?? [status, "mute"];
  return badge(text, tone);
}

/** A page's heading; its title takes the focus when somebody comes to it. */
export function pageHead(title, { note, trail, actions = [] } = {}) {
  return h("header", { class: "page-head" },
    h("div", { class: "page-head-text" },
      trail && h("a", { class: "trail", href: trail.href }, `← ${trail.text}`),
      h("h1", { tabindex: "-1" }, title),
      note && h("p", {}, note)),
    h("div", { class: "actions" }, actions));
}

export function panel(title, body, { note, flush = false } = {}) {
  return h("section", { class: "panel" },
    title && h("div", { class: "panel-head" }, h("h2", {}, title), note && h("span", { class: "soft small" }, note)),
    flush ? body : h("div", { class: "panel-body" }, body));
}

/** Nothing is here: why, and what to do about it. */
export function empty(title, text, actions = []) {
  return h("div", { class: "empty" }, h("h2", {}, title), h("p", {}, text), actions.length > 0 && h("div", { class: "actions" }, actions));
}

export function skeletons(lines) {
  return h("div", { class: "stack-s", "aria-hidden": "true" }, Array.from({ length: lines }, () => h("span", { class: "skeleton" })));
}

/** What to do about a problem, after what it is. */
export function trouble(problem, again) {
  const retry = again && h("button", { class: "button", type: "button", onclick: again }, "Try again");
  if (problem.status === 401 || problem.status === 403) {
    const title = problem.status === 401 ? "An API key is needed" : "This API key may not do that";
    return empty(title, problem.detail, [h("a", { class: "button button-main", href: "#/settings" }, "Open settings"), retry]);
  }
  if (problem.isMissingRoute) {
    return empty("Not in this version", "This hooklog does not answer that yet. A newer version of the gateway does.");
  }
  const title = problem.status === 404 ? "Not found" : problem.status === 0 ? "No answer" : problem.status === 503 ? "Not available for the moment" : "That did not work";
  return empty(title, problem.detail, [retry]);
}

/** A definition list out of `[name, value]`; what has no value is left out. */
export function facts(pairs) {
  const given = pairs.filter((pair) => pair && pair[1] !== null && pair[1] !== undefined && pair[1] !== false);
  return h("dl", { class: "facts" }, given.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

/** One large number with its name. */
export function figure(name, value, note, tone) {
  return h("div", { class: "figure", "data-tone": tone }, h("dt", {}, name), h("dd", { class: "figure-value" }, value), h("dd", { class: "figure-note" }, note ?? "\u00a0"));
}

export function button(text, onclick, { kind = "", disabled = false, label } = {}) {
  return h("button", { class: `button ${kind}`, type: "button", onclick, disabled, "aria-label": label }, text);
}

export function copyButton(text, what) {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      succeeded(`${what} copied.`);
    } catch {
      failed(`The browser did not let the page copy. Select ${what.toLowerCase()} and copy it yourself.`);
    }
  };
  return h("button", { class: "button button-quiet button-small", type: "button", onclick: copy, "aria-label": `Copy ${what.toLowerCase()}` }, icon("copy"), "Copy");
}

/** Runs what a button starts: once at a time, and says what became of it. */
export async function withButton(pressed, work) {
  if (pressed.getAttribute("aria-disabled") === "true") return undefined;
  pressed.setAttribute("aria-disabled", "true");
  try {
    return await work();
  } catch (problem) {
    failed(problem.detail ?? "The page failed; reload it.");
    return undefined;
  } finally {
    pressed.removeAttribute("aria-disabled");
  }
}
