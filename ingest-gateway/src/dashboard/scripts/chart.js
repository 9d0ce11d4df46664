// A chart over time: lines, areas and bars over the same instants, drawn as wide as its place is.
// A pointer or the arrow keys read one instant; without them the legend shows what is given.

import { drawn, h } from "./dom.js";
import { clock } from "./format.js";

const HEIGHT = 176;
const LEFT = 44;
const RIGHT = 6;
const TOP = 8;
const BOTTOM = 22;

/** A number not below `most` at which an axis may well end. */
export function axisEnd(most) {
  if (!(most > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 2.5, 4, 5, 8, 10].map((step) => step * power).find((end) => end >= most * 0.999);
}

/**
 * `series` are `{ name, tone, kind, values, total }`: kind "area", "line", "dash" or "bar", values
 * by instant (null where there is none), `total` the legend's text when nothing is read.
 */
export function timeChart(label) {
  const legend = h("div", { class: "chart-legend" });
  const area = h("div", { class: "chart-area", tabindex: "0", role: "group", "aria-roledescription": "chart" });
  const root = h("figure", { class: "chart", "aria-label": label }, legend, area);
  const state = { times: [], series: [], write: String, at: null };
  const draw = () => paint(area, legend, label, state);
  new ResizeObserver(draw).observe(area);
  const read = (at) => {
    state.at = at === null || state.times.length === 0 ? null : Math.max(0, Math.min(state.times.length - 1, at));
    draw();
  };
  area.addEventListener("pointermove", (event) => read(nearest(event.offsetX, area.clientWidth, state.times.length)));
  area.addEventListener("pointerleave", () => read(null));
  area.addEventListener("blur", () => read(null));
  area.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    read((state.at ?? (step < 0 ? state.times.length : -1)) + step);
  });
  const show = ({ times, series, write }) => {
    Object.assign(state, { times, series, write, at: state.at !== null && state.at < times.length ? state.at : null });
    draw();
  };
  return { root, show };
}

function nearest(x, width, points) {
  return Math.round(((x - LEFT) / Math.max(1, width - LEFT - RIGHT)) * (points - 1));
}

function paint(area, legend, label, { times, series, write, at }) {
  const width = area.clientWidth;
  const height = area.clientHeight || HEIGHT;
  paintLegend(legend, times, series, write, at);
  if (width === 0) return;
  const most = Math.max(0, ...series.flatMap(({ values }) => values.filter((value) => value !== null)));
  area.setAttribute("aria-label", `${label}. ${series.map(({ name, total }) => `${name} ${total}`).join(", ")}. Arrow keys read single instants.`);
  if (times.length === 0 || most === 0) {
    area.replaceChildren(axes(width, height, 0, times, write), h("p", { class: "chart-empty" }, "Nothing in this time"));
    return;
  }
  const end = axisEnd(most);
  const place = {
    x: (index) => LEFT + (times.length < 2 ? 0 : (index / (times.length - 1)) * (width - LEFT - RIGHT)),
    y: (value) => height - BOTTOM - (value / end) * (height - BOTTOM - TOP),
  };
  const svg = axes(width, height, end, times, write);
  series.forEach((one) => svg.append(...marks(one, place, times.length)));
  if (at !== null) svg.append(...cursor(at, series, place, height));
  area.replaceChildren(svg);
}

function axes(width, height, end, times, write) {
  const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  const inner = height - BOTTOM - TOP;
  for (const part of end > 0 ? [0, 0.5, 1] : [0]) {
    const y = Math.round(height - BOTTOM - part * inner) + 0.5;
    svg.append(drawn("line", { class: "chart-grid", x1: LEFT, x2: width - RIGHT, y1: y, y2: y }));
    svg.append(drawn("text", { class: "chart-label", x: LEFT - 8, y: y + 4, "text-anchor": "end" }, write(part * end)));
  }
  const labels = Math.max(2, Math.min(7, Math.floor(width / 110)));
  for (let n = 0; n < labels && times.length > 1; n += 1) {
    const index = Math.round((n / (labels - 1)) * (times.length - 1));
    const x = LEFT + (index / (times.length - 1)) * (width - LEFT - RIGHT);
    const anchor = n === 0 ? "start" : n === labels - 1 ? "end" : "middle";
    svg.append(drawn("text", { class: "chart-label", x, y: height - 4, "text-anchor": anchor }, instant(times[index], times)));
  }
  return svg;
}

/** The clock within a day, the day beyond it. */
function instant(time, times) {
  const span = times.at(-1) - times[0];
  return span > 36 * 3_600_000 ? `${time.getDate()}.${time.getMonth() + 1}. ${clock(time)}` : clock(time);
}

function marks({ tone, kind, values }, { x, y }, points) {
  const as = (name, attributes) => drawn(name, attributes);
  if (kind === "bar") {
    const wide = Math.max(1, Math.min(8, ((x(1) - x(0)) || 8) * 0.6));
    return values.flatMap((value, index) => (value ? [as("rect", { class: `chart-bar tone-${tone}`, x: x(index) - wide / 2, y: y(value), width: wide, height: y(0) - y(value), rx: Math.min(1.5, wide / 2) })] : []));
  }
  const made = [];
  for (const run of runs(values)) {
    const line = run.map(([index, value], n) => `${n ? "L" : "M"}${x(index).toFixed(1)} ${y(value).toFixed(1)}`).join("");
    if (kind === "area") made.push(as("path", { class: `chart-fill tone-${tone}`, d: `${line}L${x(run.at(-1)[0]).toFixed(1)} ${y(0)}L${x(run[0][0]).toFixed(1)} ${y(0)}Z` }));
    if (run.length === 1 && points > 1) made.push(as("circle", { class: `chart-dot tone-${tone}`, cx: x(run[0][0]), cy: y(run[0][1]), r: 3.5 }));
    made.push(as("path", { class: `chart-line tone-${tone}`, "data-kind": kind, d: line }));
  }
  return made;
}

/** The stretches without a gap. */
function runs(values) {
  const found = [];
  values.forEach((value, index) => {
    if (value === null) return;
    if (index > 0 && values[index - 1] !== null) found.at(-1).push([index, value]);
    else found.push([[index, value]]);
  });
  return found;
}

function cursor(at, series, { x, y }, height) {
  const line = drawn("line", { class: "chart-cursor", x1: x(at), x2: x(at), y1: TOP, y2: height - BOTTOM });
  const dots = series.filter(({ kind, values }) => kind !== "bar" && values[at] !== null).map(({ tone, values }) => drawn("circle", { class: `chart-dot tone-${tone}`, cx: x(at), cy: y(values[at]), r: 4 }));
  return [line, ...dots];
}

function paintLegend(legend, times, series, write, at) {
  const key = ({ name, tone, kind, values, total }) => h("span", { class: "chart-key" },
    h("span", { class: `chart-swatch tone-${tone}`, "data-kind": kind, "aria-hidden": "true" }),
    name, " ", h("b", {}, at === null ? total : values[at] === null ? "–" : write(values[at])));
  legend.replaceChildren(...series.map(key), ...(at === null ? [] : [h("span", { class: "chart-at" }, instant(times[at], times))]));
}

/** Shares of a whole as bars: `rows` are `{ name, note, value, tone }`. */
export function bars(rows) {
  const most = Math.max(1, ...rows.map(({ value }) => value));
  return h("ul", { class: "bars" }, rows.map(({ name, note, value, text, tone }) => h("li", { class: "bar-row" },
    h("span", { class: "break" }, name, note && h("span", { class: "soft tiny" }, " · ", note)),
    h("b", { class: "strong" }, text),
    h("span", { class: `bar-track tone-${tone}`, "aria-hidden": "true" },
      drawn("svg", { viewBox: "0 0 100 6", preserveAspectRatio: "none" }, drawn("rect", { x: 0, y: 0, width: (value / most) * 100, height: 6 }))))));
}
