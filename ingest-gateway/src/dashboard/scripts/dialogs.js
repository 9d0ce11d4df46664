// Questions that a person has to answer before something happens, and things shown once.

import { h, newId } from "./dom.js";
import { copyButton } from "./pieces.js";

function open(dialog) {
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue);
    });
  });
}

/** Whether somebody said yes. `word`, if given, has to be typed first. */
export async function confirm({ title, text, yes, bad = false, word }) {
  const id = newId();
  const go = h("button", { class: `button ${bad ? "button-bad-main" : "button-main"}`, value: "yes", disabled: word !== undefined }, yes);
  const typed = word !== undefined && h("div", { class: "field" },
    h("label", { for: `${id}-word` }, `Type ${word} to confirm`),
    h("input", { class: "input", id: `${id}-word`, autocomplete: "off", spellcheck: "false", oninput: (event) => { go.disabled = event.target.value.trim() !== word; } }));
  const dialog = h("dialog", { "aria-labelledby": id },
    h("form", { method: "dialog", class: "form" },
      h("h2", { id }, title), h("p", {}, text), typed,
      h("div", { class: "form-end" }, h("button", { class: "button", value: "", type: "button", onclick: () => dialog.close("") }, "Cancel"), go)));
  return (await open(dialog)) === "yes";
}

/** Shows a secret, which nobody can ask for again. */
export async function showSecret({ title, text, secrets }) {
  const id = newId();
  const shown = secrets.map(([name, secret]) => h("div", { class: "field" },
    h("p", { class: "label" }, name),
    h("div", { class: "secret" }, h("code", {}, secret), copyButton(secret, name))));
  await open(h("dialog", { "aria-labelledby": id },
    h("form", { method: "dialog", class: "form" },
      h("h2", { id }, title), h("p", {}, text), shown,
      h("div", { class: "form-end" }, h("button", { class: "button button-main", value: "done" }, "I have stored it")))));
}

/** Asks for one choice out of a few; null if there was none. */
export async function choose({ title, text, field, yes }) {
  const id = newId();
  const dialog = h("dialog", { "aria-labelledby": id },
    h("form", { method: "dialog", class: "form" },
      h("h2", { id }, title), h("p", {}, text), field.root,
      h("div", { class: "form-end" }, h("button", { class: "button", type: "button", onclick: () => dialog.close("") }, "Cancel"), h("button", { class: "button button-main", value: "yes" }, yes))));
  return (await open(dialog)) === "yes" ? field.value : null;
}
