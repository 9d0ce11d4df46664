// The fields of a subscription's form, and what they make of a subscription.

import { h } from "./dom.js";
import { areaField, chipsField, pairsField, selectField, textField } from "./fields.js";
import { panel } from "./pieces.js";
import { retryField } from "./retry_field.js";
import { verificationField } from "./verification_field.js";

const RETRY_ON = [["network", "no answer"], ["3xx", "3xx"], ["4xx", "4xx"], ["5xx", "5xx"]];
const SCHEMES = [["standard", "Standard Webhooks"], ["hub", "X-Hub-Signature-256"], ["ed25519", "ed25519"]];

/**
 * `{ sections, fields, read }`: what is shown, `[pointer, field]` for what the server says of
 * them, and the body for the server. `read` throws with a sentence for the person.
 */
export function subscriptionFields(current) {
  const own = plainFields(current);
  const retry = retryField(current.retry);
  const named = (current.retry_on ?? []).map(String);
  const retryOn = chipsField("Only retry on", RETRY_ON, named, () => {});
  const statuses = textField("And on these statuses", { value: named.filter((one) => /^\d{3}$/.test(one)).join(", "), placeholder: "429, 503", hint: "Nothing chosen and nothing here: every failure but 410." });
  const verification = verificationField(current.verification);
  const schemes = chipsField("Sign with", SCHEMES, current.signing?.schemes ?? [], () => {});
  const secret = textField("Signing secret of your own", { code: true, placeholder: "whsec_…", hint: "Leave it empty and one is made and shown once." });

  const sections = [
    panel("Where and what", h("div", { class: "form" }, own.target.root, own.description.root, own.types.root, own.filter.root)),
    panel("Signatures", h("div", { class: "form" }, schemes.root, secret.root, verification.root)),
    panel("Delivery", h("div", { class: "form" },
      h("div", { class: "form-row" }, own.timeout.root, own.concurrency.root, own.rate.root),
      retry.root, retryOn.root, statuses.root)),
    panel("Headers and labels", h("div", { class: "form" }, own.headers.root, own.labels.root)),
  ];
  const fields = [
    ["/target_url", own.target], ["/description", own.description], ["/event_types", own.types], ["/filter", own.filter],
    ["/timeout_seconds", own.timeout], ["/max_concurrency", own.concurrency], ["/rate_limit", own.rate],
    ["/headers", own.headers], ["/labels", own.labels], ["/retry_on", statuses], ["/retry", retry], ["/verification", verification], ["/signing", secret],
  ];
  const read = () => ({
    target_url: own.target.value.trim(),
    description: own.description.value.trim() || null,
    event_types: own.types.value.split(/[\s,]+/).filter(Boolean),
    filter: own.filter.value.trim() ? { jsonpath: own.filter.value.trim() } : null,
    headers: replacing(current.headers, own.headers.value),
    labels: replacing(current.labels, own.labels.value),
    timeout_seconds: number(own.timeout, "The timeout"),
    max_concurrency: number(own.concurrency, "Calls at once"),
    rate_limit: number(own.rate, "Calls a second"),
    retry: retry.read(),
    retry_on: retryOnOf(retryOn.value, statuses.value),
    ...verification.read(),
    ...signingOf(current.signing, schemes.value, secret.value.trim()),
  });
  return { sections, fields, read };
}

function plainFields(current) {
  return {
    target: textField("Target URL", { type: "url", value: current.target_url, required: true, placeholder: "https://shop.example.com/hooks", inputmode: "url" }),
    description: textField("Description", { value: current.description ?? "", maxlength: 1_000, hint: "What people call it; the lists show it." }),
    types: areaField("Event types", { value: current.event_types.join("\n"), rows: 3, code: true, placeholder: "order.created\ninvoice.*", hint: "One a line: an exact type, or order.* for all below it. Empty is every event." }),
    filter: textField("Payload filter", { value: current.filter?.jsonpath ?? "", code: true, placeholder: "$[?@.amount > 100]", hint: "A JSONPath query; only events for which it finds something are delivered." }),
    timeout: textField("Timeout, seconds", { value: current.timeout_seconds ?? "", inputmode: "numeric", placeholder: "default" }),
    concurrency: textField("Calls at once", { value: current.max_concurrency ?? "", inputmode: "numeric", placeholder: "default" }),
    rate: textField("Calls a second", { value: current.rate_limit ?? "", inputmode: "numeric", placeholder: "default" }),
    headers: pairsField("Headers", current.headers, { name: "x-team", value: "value", hint: "Sent with every call. Whoever reads the subscription sees them." }),
    labels: pairsField("Labels", current.labels, { name: "team", value: "payments", hint: "For programs." }),
  };
}

/** In a merge patch, what is gone has to be named. */
function replacing(before, after) {
  const gone = Object.keys(before).filter((name) => !(name in after)).map((name) => [name, null]);
  return { ...after, ...Object.fromEntries(gone) };
}

function number(field, name) {
  const text = field.value.trim();
  if (text === "") return null;
  if (!/^\d+$/.test(text)) {
    field.tell("A whole number, please.");
    field.control.focus();
    throw new Error(`${name} has to be a whole number.`);
  }
  return Number(text);
}

function retryOnOf(classes, statuses) {
  const all = [...classes, ...statuses.split(/[\s,]+/).filter(Boolean)];
  return all.length ? all : null;
}

/** Left out if nothing about it is to change, for a patch of the schemes touches the keys. */
function signingOf(current, schemes, secret) {
  const same = JSON.stringify([...(current?.schemes ?? [])].sort()) === JSON.stringify([...schemes].sort());
  if (!secret && same) return {};
  if (schemes.length === 0) throw new Error("Choose at least one way to sign.");
  return { signing: secret ? { schemes, secret } : { schemes } };
}
