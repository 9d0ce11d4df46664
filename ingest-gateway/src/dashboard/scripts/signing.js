// The signature of an event, made in the browser over the exact bytes that are sent.

/** Whether this page may sign: browsers allow it on https and on this machine alone. */
export const canSign = () => globalThis.crypto?.subtle !== undefined;

/** `whsec_...` is base64 of the key; every other secret is the key's own UTF-8 bytes. */
export function keyBytes(secret) {
  if (!secret.startsWith("whsec_")) return new TextEncoder().encode(secret);
  const text = atob(secret.slice("whsec_".length));
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** `sha256=` and the HMAC-SHA256 of `body` in hex digits. */
export async function hubSignature(secret, body) {
  const key = await crypto.subtle.importKey("raw", keyBytes(secret), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const digest = new Uint8Array(await crypto.subtle.sign("HMAC", key, body));
  return `sha256=${Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
