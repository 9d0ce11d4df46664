// How a request to a subscription's ingest URL proves where it comes from.

import { h } from "./dom.js";
import { areaField, selectField, textField } from "./fields.js";

const PRESETS = [
  ["", "Nothing: everybody may send"], ["hub", "X-Hub-Signature-256"], ["github", "GitHub"], ["stripe", "Stripe"], ["shopify", "Shopify"],
  ["slack", "Slack"], ["standard_webhooks", "Standard Webhooks"], ["generic", "Another HMAC header"],
];
const TIMED = ["stripe", "slack", "standard_webhooks", "generic"];

export function verificationField(current) {
  const before = current?.preset ?? "";
  const preset = selectField("Verify what comes in", PRESETS, { value: before });
  const secrets = areaField("Secrets", { rows: 2, code: true, hint: current ? `One a line. Empty keeps the ${current.secret_count} that are set.` : "One a line, five at most. They are never shown again." });
  const tolerance = textField("Tolerance, seconds", { value: current?.tolerance_seconds ?? "", inputmode: "numeric", placeholder: "300" });
  const header = textField("Signature header", { value: current?.header ?? "", code: true, placeholder: "x-signature" });
  const prefix = textField("Before the signature", { value: current?.prefix ?? "", code: true, placeholder: "sha256=" });
  const algorithm = selectField("Hash", [["sha256", "SHA-256"], ["sha1", "SHA-1"], ["sha512", "SHA-512"]], { value: current?.algorithm ?? "sha256" });
  const encoding = selectField("Written as", [["hex", "hex digits"], ["base64", "base64"]], { value: current?.encoding ?? "hex" });
  const timestamp = textField("Timestamp header", { value: current?.timestamp_header ?? "", code: true, placeholder: "none" });
  const own = h("div", { class: "form-row" }, header.root, prefix.root, algorithm.root, encoding.root, timestamp.root);
  const choose = () => {
    secrets.root.hidden = preset.value === "";
    tolerance.root.hidden = !TIMED.includes(preset.value);
    own.hidden = preset.value !== "generic";
  };
  preset.control.addEventListener("change", choose);
  choose();

  const settings = () => {
    const timed = TIMED.includes(preset.value) && tolerance.value.trim() ? { tolerance_seconds: Number(tolerance.value) } : {};
    if (preset.value === "hub" && before === "hub" && current.header) return { header: current.header };
    if (preset.value !== "generic") return timed;
    const stamped = timestamp.value.trim() ? { timestamp_header: timestamp.value.trim() } : {};
    return { header: header.value.trim(), prefix: prefix.value, algorithm: algorithm.value, encoding: encoding.value, ...stamped, ...timed };
  };
  /** Left out if there is none and there was none. */
  const read = () => {
    const given = secrets.value.split("\n").map((line) => line.trim()).filter(Boolean);
    if (preset.value === "") return before === "" ? {} : { verification: null };
    return { verification: { preset: preset.value, ...settings(), ...(given.length ? { secrets: given } : {}) } };
  };
  return { root: h("div", { class: "form" }, preset.root, secrets.root, tolerance.root, own), control: preset.control, tell: preset.tell, read };
}
