// Form fields: each with a label, a hint, and a place for what is wrong with it.

import { h, newId } from "./dom.js";

function wrapped(label, control, hint) {
  const id = newId();
  control.id = id;
  const about = h("p", { class: "hint", id: `${id}-hint` }, hint ?? "");
  const fault = h("p", { class: "fault", id: `${id}-fault` });
  control.setAttribute("aria-describedby", `${id}-hint ${id}-fault`);
  const root = h("div", { class: "field" }, h("label", { for: id }, label), control, about, fault);
  const tell = (text) => {
    fault.textContent = text;
    if (text) control.setAttribute("aria-invalid", "true");
    else control.removeAttribute("aria-invalid");
  };
  control.addEventListener("input", () => tell(""));
  return { root, control, tell, get value() { return control.value; } };
}

/** A line of text; `options` are attributes of the input, and `hint`. */
export function textField(label, { hint, code = false, ...options } = {}) {
  return wrapped(label, h("input", { class: code ? "input input-code" : "input", type: "text", autocomplete: "off", spellcheck: "false", ...options }), hint);
}

export function areaField(label, { hint, code = false, ...options } = {}) {
  return wrapped(label, h("textarea", { class: code ? "input input-code" : "input", autocomplete: "off", spellcheck: "false", ...options }), hint);
}

/** `choices` are `[value, text]`. */
export function selectField(label, choices, { hint, ...options } = {}) {
  return wrapped(label, h("select", { class: "input", ...options }, choices.map(([value, text]) => h("option", { value }, text))), hint);
}

/** Several of a few, as chips. */
export function chipsField(label, choices, chosen, onchange) {
  const inputs = choices.map(([value]) => h("input", { type: "checkbox", value, checked: chosen.includes(value), onchange }));
  const root = h("fieldset", { class: "field" },
    h("legend", {}, label),
    h("div", { class: "chips" }, choices.map(([, text], at) => h("label", {}, inputs[at], h("span", {}, text)))));
  return { root, get value() { return inputs.filter((input) => input.checked).map((input) => input.value); } };
}

/** One of a few, all in sight. */
export function segments(label, choices, chosen, onchange) {
  const name = newId();
  const choice = ([value, text]) => h("label", {},
    h("input", { type: "radio", name, value, checked: value === chosen, onchange: () => onchange(value) }),
    h("span", {}, text));
  return h("fieldset", { class: "segments" }, h("legend", { class: "unseen" }, label), choices.map(choice));
}

/** Names with values, as many as one likes. */
export function pairsField(label, pairs, { name, value, hint }) {
  const rows = h("div", { class: "pairs" });
  const add = (key = "", text = "") => {
    const row = h("div", { class: "pair" },
      h("input", { class: "input input-code", "aria-label": `${label}: ${name}`, placeholder: name, value: key, autocomplete: "off", spellcheck: "false" }),
      h("input", { class: "input input-code", "aria-label": `${label}: ${value}`, placeholder: value, value: text, autocomplete: "off", spellcheck: "false" }),
      h("button", { class: "button button-quiet", type: "button", "aria-label": `${label}: remove this one`, onclick: () => row.remove() }, "Remove"));
    rows.append(row);
    return row;
  };
  Object.entries(pairs).forEach(([key, text]) => add(key, text));
  const more = h("button", { class: "button button-small", type: "button", onclick: () => add().firstElementChild.focus() }, "Add one");
  const fault = h("p", { class: "fault" });
  const root = h("fieldset", { class: "field" }, h("legend", {}, label), rows, h("div", {}, more), h("p", { class: "hint" }, hint ?? ""), fault);
  const read = () => Object.fromEntries([...rows.children].map((row) => [row.children[0].value.trim(), row.children[1].value]).filter(([key]) => key));
  return { root, tell: (text) => { fault.textContent = text; }, get value() { return read(); } };
}

/**
 * Writes each of a problem's errors beside its field: `fields` are `[pointer, field]`. What has no
 * field of its own is returned as text.
 */
export function tellErrors(problem, fields) {
  const rest = [];
  let first = null;
  fields.forEach(([, field]) => field.tell(""));
  for (const { pointer, detail } of problem.errors) {
    const found = fields.find(([at]) => pointer === at || pointer.startsWith(`${at}/`));
    if (!found) rest.push(pointer ? `${pointer}: ${detail}` : detail);
    else {
      found[1].tell(pointer === found[0] ? detail : `${pointer.slice(found[0].length + 1)}: ${detail}`);
      first ??= found[1];
    }
  }
  first?.control?.closest("details")?.setAttribute("open", "");
  first?.control?.focus();
  if (problem.errors.length === 0) rest.push(problem.detail);
  return rest.join(" ");
}
