// When a failed delivery is tried again: the installation's way, a schedule, or longer each time.

import { h } from "./dom.js";
import { selectField, textField } from "./fields.js";

const FORMS = [["", "As the installation does"], ["schedule", "After fixed delays"], ["exponential", "Longer each time"]];

export function retryField(retry) {
  const { schedule, exponential } = retry ?? {};
  const form = selectField("Retries", FORMS, { value: schedule ? "schedule" : exponential ? "exponential" : "" });
  const delays = textField("Delays, seconds", { value: schedule?.join(", ") ?? "5, 60, 600, 3600", hint: "One attempt more than there are delays." });
  const base = textField("First delay, seconds", { value: exponential?.base_seconds ?? 10, inputmode: "decimal" });
  const factor = textField("Factor", { value: exponential?.factor ?? 3, inputmode: "decimal" });
  const most = textField("Longest delay, seconds", { value: exponential?.max_delay_seconds ?? 900, inputmode: "decimal" });
  const attempts = textField("Attempts", { value: exponential?.max_attempts ?? 7, inputmode: "numeric" });
  const grown = h("div", { class: "form-row" }, base.root, factor.root, most.root, attempts.root);
  const choose = () => {
    delays.root.hidden = form.value !== "schedule";
    grown.hidden = form.value !== "exponential";
  };
  form.control.addEventListener("change", choose);
  choose();
  const read = () => {
    if (form.value === "schedule") return { schedule: delays.value.split(/[\s,]+/).filter(Boolean).map(Number) };
    if (form.value !== "exponential") return null;
    return { exponential: { base_seconds: Number(base.value), factor: Number(factor.value), max_delay_seconds: Number(most.value), max_attempts: Number(attempts.value) } };
  };
  return { root: h("div", { class: "form" }, form.root, delays.root, grown), control: form.control, tell: form.tell, read };
}
