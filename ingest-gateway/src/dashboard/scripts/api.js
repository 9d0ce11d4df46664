// Speaks to hooklog: requests with the API key, answers as JSON, refusals as `Problem`.

import { apiKey } from "./preferences.js";

const TIMEOUT_MS = 20_000;

/** What went wrong, in the words of the server's problem document or, without one, in ours. */
export class Problem extends Error {
  constructor({ status = 0, code = "unknown", detail = "", errors = [] }) {
    super(detail);
    Object.assign(this, { status, code, detail, errors });
  }

  /** Whether this server is of a version that has no such route. */
  get isMissingRoute() {
    return this.status === 405 || this.code === "no_such_route";
  }
}

/** Whether an error only says that nobody waits any more. */
export function isAborted(error) {
  return error?.name === "AbortError";
}

/** A path with a query of what is neither null nor empty. */
export function withQuery(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const text = new URLSearchParams(given).toString();
  return text ? `${path}?${text}` : path;
}

/** Headers of every request. */
export function authorized(headers = {}) {
  const key = apiKey();
  return key ? { ...headers, authorization: `Bearer ${key}` } : headers;
}

/**
 * Sends a request and returns `{ status, headers, body }` of a success; throws `Problem`
 * otherwise. `json` is written as the body; `body` is sent as it is.
 */
export async function call(method, path, { json, body, headers = {}, query, signal } = {}) {
  const sent = authorized(headers);
  if (json !== undefined) sent["content-type"] ??= "application/json";
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  let answer;
  try {
    answer = await fetch(withQuery(path, query), {
      method,
      headers: sent,
      body: json === undefined ? body : JSON.stringify(json),
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      cache: "no-store",
      redirect: "error",
    });
  } catch (error) {
    if (signal?.aborted) throw new DOMException("nobody waits", "AbortError");
    throw unreachable(error);
  }
  const read = await readBody(answer);
  if (!answer.ok) throw refused(answer, read);
  return { status: answer.status, headers: answer.headers, body: read };
}

export const get = async (path, options) => (await call("GET", path, options)).body;
export const post = async (path, json, options = {}) => (await call("POST", path, { ...options, json })).body;

function unreachable(error) {
  if (error?.name === "TimeoutError") {
    return new Problem({ code: "timeout", detail: "hooklog did not answer within 20 seconds." });
  }
  return new Problem({ code: "unreachable", detail: "hooklog did not answer. Look whether it runs and whether you are online." });
}

async function readBody(answer) {
  const text = await answer.text();
  if (text === "") return null;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** The older contracts say `detail`, `message` or `errors` where `/v1` has a problem document. */
function refused(answer, body) {
  const fields = body !== null && typeof body === "object" ? body : {};
  const said = [fields.detail, fields.message, fields.errors].find((part) => part !== undefined);
  return new Problem({
    status: answer.status,
    code: fields.code ?? `http_${answer.status}`,
    detail: typeof said === "string" ? said : said ? JSON.stringify(said) : `The answer was ${answer.status}.`,
    errors: Array.isArray(fields.errors) ? fields.errors : [],
  });
}
