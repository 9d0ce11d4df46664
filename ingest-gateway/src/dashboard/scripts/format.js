// Numbers, times and sizes as people read them. Nothing here touches the page.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const NOTHING = "–";

export function count(number) {
  if (number === null || number === undefined) return NOTHING;
  return Math.abs(number) < 100_000 ? whole.format(number) : compact.format(number);
}

/** A number that may be small: 0.4, 12, 3.4K. */
export function amount(number) {
  if (number === null || number === undefined) return NOTHING;
  if (number === 0 || Math.abs(number) >= 10) return count(number);
  return Number(number.toPrecision(2)).toString();
}

/** A share of 0 to 1. Only what is whole reads 100 %. */
export function percent(share) {
  if (share === null || share === undefined) return NOTHING;
  if (share === 1) return "100 %";
  const tenths = Math.min(Math.floor(share * 1_000) / 10, 99.9);
  return `${tenths.toFixed(share > 0.9 ? 1 : 0)} %`;
}

export function milliseconds(ms) {
  if (ms === null || ms === undefined) return NOTHING;
  if (ms < 10) return `${Number(ms.toFixed(1))} ms`;
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  return seconds(ms / 1_000);
}

export function seconds(total) {
  if (total === null || total === undefined) return NOTHING;
  if (total < 10) return `${Number(total.toFixed(1))} s`;
  if (total < 60) return `${Math.round(total)} s`;
  const minutes = Math.floor(total / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  const days = Math.floor(hours / 24);
  return hours % 24 && days < 10 ? `${days} d ${hours % 24} h` : `${days} d`;
}

export function bytes(size) {
  if (size === null || size === undefined) return NOTHING;
  if (size < 1_024) return `${size} B`;
  return size < 1_048_576 ? `${(size / 1_024).toFixed(1)} KiB` : `${(size / 1_048_576).toFixed(1)} MiB`;
}

/** "12 s ago", "in 3 min"; both instants in milliseconds. */
export function relative(at, now) {
  const distance = (at - now) / 1_000;
  if (Math.abs(distance) < 1.5) return "now";
  const text = seconds(Math.abs(distance) < 60 ? Math.round(Math.abs(distance)) : Math.abs(distance));
  return distance > 0 ? `in ${text}` : `${text} ago`;
}

const two = (number) => String(number).padStart(2, "0");

/** Local time to the second, with its distance from UTC. */
export function absolute(date) {
  const offset = -date.getTimezoneOffset();
  const hours = Math.floor(Math.abs(offset) / 60);
  const zone = offset === 0 ? "UTC" : `UTC${offset < 0 ? "-" : "+"}${hours}${offset % 60 ? `:${two(Math.abs(offset % 60))}` : ""}`;
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clock(date, true)} ${zone}`;
}

export function clock(date, withSeconds = false) {
  return `${two(date.getHours())}:${two(date.getMinutes())}${withSeconds ? `:${two(date.getSeconds())}` : ""}`;
}

/** What an `<input type="datetime-local">` shows of an instant, and back. */
export function toLocalInput(iso) {
  if (!iso) return "";
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return "";
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}T${clock(date)}`;
}

export function fromLocalInput(text) {
  const date = new Date(text);
  return text && !Number.isNaN(date.getTime()) ? date.toISOString() : "";
}

/** The parts of an address that tell it from others. */
export function shortUrl(url) {
  return url.replace(/^https?:\/\//, "").replace(/\/$/, "");
}

export const shortId = (id) => id.slice(0, 8);

const ERROR_KINDS = {
  http_status: "the receiver's answer",
  egress_denied: "address not allowed",
  dns: "name not resolved",
  refused: "connection refused",
  unreachable: "host unreachable",
  tls: "TLS failed",
  timeout: "timed out",
  reset: "connection reset",
  protocol: "answer was no HTTP",
  secret: "signing key unusable",
  other: "other error",
};

export const ERROR_KIND_NAMES = Object.keys(ERROR_KINDS);

/** An error kind, or `http_503`, in words. */
export function errorKind(kind) {
  const status = /^http_(\d{3})$/.exec(kind ?? "");
  return status ? `HTTP ${status[1]}` : (ERROR_KINDS[kind] ?? kind ?? NOTHING);
}

const REASONS = {
  exhausted: "every attempt failed",
  permanent: "the failure is not retried",
  expired: "older than the maximum age",
  subscription_deleted: "its subscription was deleted",
  paused: "its subscription is paused",
  limited: "held back by a limit",
  overloaded: "the receiver is slower than the events come",
  breaker_open: "the breaker is open",
  configuration_behind: "waits for the configuration",
  cancelled_by_operator: "cancelled by an operator",
};

export const reasonText = (reason) => REASONS[reason] ?? reason;
