// The overview: is it going well, what is failing and why, what waits.

import { get } from "../api.js";
import { bars, timeChart } from "../chart.js";
import { fill, h } from "../dom.js";
import { amount, count, errorKind, milliseconds, percent, seconds, shortUrl } from "../format.js";
import { moment } from "../moment.js";
import { badge, figure, pageHead, panel, skeletons, trouble } from "../pieces.js";
import { poll } from "../poll.js";
import { outcomeFeed } from "../outcome_feed.js";
import { segments } from "../fields.js";
import { subscriptions } from "../subscription_names.js";

export const title = "Overview";

const WINDOWS = [["1h", "1 h"], ["24h", "24 h"], ["7d", "7 d"]];
const DUE = { "1m": "within a minute", "10m": "within 10 minutes", "1h": "within an hour", "24h": "within a day", later: "later" };

export function show({ root, query, signal }) {
  let window = WINDOWS.some(([name]) => name === query.get("window")) ? query.get("window") : "1h";
  const live = h("span", { class: "live", "data-state": "polling" }, "Connecting");
  const choose = (name) => {
    window = name;
    history.replaceState(null, "", name === "1h" ? "#/" : `#/?window=${name}`);
    look();
  };
  const figures = h("dl", { class: "figures" }, ["Throughput", "Success rate", "Latency, p95", "Backlog"].map((name) => figure(name, h("span", { class: "skeleton skeleton-tall" }))));
  const flow = timeChart("Events over time");
  const latency = timeChart("Latency over time");
  const failing = h("div", {}, skeletons(3));
  const reasons = h("div", {}, skeletons(3));
  const due = h("div", {}, skeletons(3));
  const foot = h("p", { class: "soft small" });
  const body = h("div", { class: "stack" },
    figures,
    panel("Failing subscriptions", failing, { note: "worst first" }),
    panel("Deliveries", flow.root),
    h("div", { class: "grid-2" }, panel("Latency of calls, p95", latency.root), panel("Backlog by due time", due)),
    h("div", { class: "grid-2" }, panel("Why attempts fail", reasons), panel("As it happens", outcomeFeed({ signal, changed: (state) => showLive(live, state), told: () => hurry() }))),
    foot);
  root.append(pageHead(title, { actions: [live, segments("Time shown", WINDOWS, window, choose)] }), body);

  const problem = h("div", {});
  const look = poll(async () => {
    const asked = window;
    const stats = await get("/v1/stats", { query: { window: asked }, signal });
    if (asked !== window) return;
    problem.remove();
    if (!body.isConnected) root.append(body);
    paint(stats);
  }, {
    signal,
    failed: (error) => {
      showLive(live, "lost");
      fill(problem, h("section", { class: "panel" }, trouble(error, () => look())));
      body.remove();
      root.append(problem);
    },
  });
  const hurry = atMostEvery(1_000, () => look(), signal);

  function paint(stats) {
    if (live.dataset.state !== "live") showLive(live, "polling");
    fill(figures, ...headline(stats));
    fill(failing, failingList(stats.failing));
    fill(reasons, reasonList(stats.failure_reasons));
    fill(due, dueList(stats.backlog));
    paintCharts(stats, flow, latency);
    const lag = stats.projection?.lag_seconds;
    foot.textContent = lag === null || lag === undefined ? "" : lag < 5 ? "These numbers are up to date." : `These numbers are ${seconds(lag)} behind: the projection has not caught up.`;
  }
  subscriptions({ signal }).catch(() => {});
}

function showLive(element, state) {
  const texts = { live: "Live", polling: "Up to date", absent: "Up to date", lost: "Connection lost, trying again" };
  element.dataset.state = state === "absent" ? "polling" : state;
  element.textContent = texts[state];
}

/** Runs `work` soon after it is called, and no more often than that. */
function atMostEvery(ms, work, signal) {
  let timer = 0;
  signal.addEventListener("abort", () => clearTimeout(timer));
  return () => {
    if (timer || signal.aborted) return;
    timer = setTimeout(() => { timer = 0; work(); }, ms);
  };
}

function headline({ totals, latency_ms: latency, backlog, window_seconds: length }) {
  const perMinute = totals.accepted / (length / 60);
  const rate = totals.success_rate;
  const oldest = backlog.oldest_undelivered_at;
  return [
    figure("Throughput", [amount(perMinute), " ", h("small", {}, "a minute")], `${count(totals.accepted)} accepted, ${count(totals.delivered)} delivered`),
    figure("Success rate", percent(rate), `${count(totals.succeeded_attempts)} of ${count(totals.attempts)} calls`, rate !== null && rate < 0.9 ? "bad" : rate !== null && rate < 0.99 ? "warn" : null),
    figure("Latency, p95", latency ? milliseconds(latency.p95) : "–", latency ? `p50 ${milliseconds(latency.p50)} · p99 ${milliseconds(latency.p99)}` : "no calls in this time"),
    figure("Backlog", count(backlog.unfinished), oldest ? ["oldest from ", moment(oldest)] : "nothing waits", null),
  ];
}

function paintCharts({ series }, flow, latency) {
  const times = series.map(({ at }) => new Date(at));
  const column = (name) => series.map((point) => point[name]);
  const sum = (name) => count(series.reduce((total, point) => total + point[name], 0));
  flow.show({
    times,
    write: amount,
    series: [
      { name: "Accepted", tone: "accent", kind: "area", values: column("accepted"), total: sum("accepted") },
      { name: "Delivered", tone: "ok", kind: "dash", values: column("delivered"), total: sum("delivered") },
      { name: "Failed attempts", tone: "bad", kind: "bar", values: column("failed_attempts"), total: sum("failed_attempts") },
    ],
  });
  const p95 = column("p95_ms");
  const known = p95.filter((value) => value !== null);
  latency.show({
    times,
    write: milliseconds,
    series: [{ name: "p95", tone: "info", kind: "area", values: p95, total: known.length ? `at most ${milliseconds(Math.max(...known))}` : "–" }],
  });
}

function failingList(failing) {
  if (failing.length === 0) {
    return h("p", { class: "soft" }, badge("All well", "ok"), " No subscription is failing.");
  }
  return h("ul", { class: "failing" }, failing.map((health) => h("li", {},
    h("div", { class: "failing-name" },
      h("a", { class: "row-link", href: `#/subscriptions/${encodeURIComponent(health.subscription_id)}` }, health.description || shortUrl(health.target_url)),
      h("span", { class: "under" }, health.description ? shortUrl(health.target_url) : "")),
    h("div", { class: "failing-why" },
      h("span", {}, health.last_http_status ? `HTTP ${health.last_http_status}` : "", health.last_http_status && health.last_error ? " · " : "", health.last_error ?? ""),
      h("span", { class: "under" }, health.failing_since ? ["for ", h("span", {}, sinceText(health.failing_since)), ", "] : "", `${count(health.consecutive_failures)} failures in a row`)),
    h("div", { class: "failing-state" },
      health.breaker === "open" && badge("Breaker open", "bad"),
      health.status === "paused" && badge("Paused", "mute"),
      h("span", { class: "small" }, `${percent(health.success_rate)} ok`),
      h("span", { class: "small soft" }, `${count(health.backlog)} waiting`)))));
}

const sinceText = (iso) => seconds((Date.now() - new Date(iso).getTime()) / 1_000);

function reasonList(reasons) {
  if (reasons.length === 0) return h("p", { class: "soft" }, "No attempt failed in this time.");
  return bars(reasons.map((reason) => ({
    name: errorKind(reason.reason),
    note: `${count(reason.subscriptions)} ${reason.subscriptions === 1 ? "subscription" : "subscriptions"}`,
    value: reason.count,
    text: count(reason.count),
    tone: "bad",
  })));
}

function dueList({ by_due: rows, unfinished }) {
  if (unfinished === 0) return h("p", { class: "soft" }, "Nothing waits: every delivery is at its end.");
  return bars(rows.map(({ within, count: waiting }) => ({ name: `Due ${DUE[within] ?? within}`, value: waiting, text: count(waiting), tone: "info" })));
}

