// Plots as SVG, drawn by hand in the size that they are shown in.

import { compact, count, known, mark, span } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";

function draw(name, marks, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(marks)) made.setAttribute(key, value);
  if (known(text)) made.textContent = text;
  return made;
}

function canvas(host, height, label) {
  const width = Math.max(120, Math.floor(host.clientWidth));
  const svg = host.firstElementChild ?? host.appendChild(draw("svg", { role: "img" }));
  mark(svg, "viewBox", `0 0 ${width} ${height}`);
  mark(svg, "height", height);
  mark(svg, "aria-label", label);
  return [svg, width];
}

// The last minutes of one figure; `values` may have gaps (null).
export function sparkline(host, values, label) {
  const height = 30;
  const [svg, width] = canvas(host, height, label);
  const most = Math.max(...values.map((value) => value ?? 0), 1e-9);
  const step = width / (values.length - 1);
  const y = (value) => (height - 2 - (value / most) * (height - 5)).toFixed(1);
  let path = "";
  let area = "";
  let from = null;
  values.forEach((value, at) => {
    const x = (at * step).toFixed(1);
    if (known(value)) path += `${from === null ? "M" : "L"}${x} ${y(value)}`;
    if (known(value) && from === null) (from = x), (area += `M${x} ${height}`);
    if (known(value)) area += `L${x} ${y(value)}`;
    const ends = from !== null && (!known(value) || at === values.length - 1);
    if (ends) (area += `L${known(value) ? x : ((at - 1) * step).toFixed(1)} ${height}Z`), (from = null);
  });
  svg.replaceChildren(draw("path", { d: area, class: "area" }), draw("path", { d: path, class: "line" }));
}

const TICKS = [1, 10, 60, 600, 3600, 36000, 86400, 864000, 8640000, 86400000, 864000000];

// Rows by age: both axes are logarithmic, since a handful of old rows among a million new ones is what one looks for.
export function ages(host, age, target) {
  const height = 158, left = 34, bottom = 18, top = 26;
  const said = `Age of ${count(age.rows)} rows: half are younger than ${span(age.p50_secs)}, 99 % than ${span(age.p99_secs)}, the oldest is ${span(age.max_secs)} old`;
  const [svg, width] = canvas(host, height, said);
  const bars = buckets(age);
  const first = bars.find((bar) => bar.rows > 0)?.from ?? 1;
  const low = Math.max(0.1, Math.min(first, age.p50_secs ? age.p50_secs / 2 : first));
  const high = Math.max(low * 10, (age.max_secs ?? 0) * 1.6, (target || 0) * 1.4);
  const x = (secs) => left + ((width - left - 4) * Math.log(Math.min(high, Math.max(low, secs)) / low)) / Math.log(high / low);
  const most = Math.max(10, ...bars.map((bar) => bar.rows));
  const y = (rows) => (rows > 0 ? height - bottom - ((height - bottom - top) * (Math.log10(rows) + 0.3)) / (Math.log10(most) + 0.3) : height - bottom);
  const parts = [];
  for (let rows = 1; rows <= most; rows *= most > 1e4 ? 100 : 10) {
    parts.push(draw("line", { x1: left, x2: width, y1: y(rows), y2: y(rows), class: "grid" }));
    parts.push(draw("text", { x: left - 5, y: y(rows) + 3, class: "tick end" }, compact(rows)));
  }
  parts.push(draw("text", { x: 0, y: 9, class: "tick" }, "rows"), draw("text", { x: 0, y: height - 5, class: "tick" }, "age"));
  let free = 0;
  for (const tick of TICKS.filter((secs) => secs >= low && secs <= high && x(secs) < width - 12)) {
    if (x(tick) < free) continue;
    free = x(tick) + 44;
    parts.push(draw("text", { x: x(tick), y: height - 5, class: "tick middle" }, span(tick)));
  }
  for (const bar of bars.filter((each) => each.rows > 0 && each.from < high)) {
    const one = x(bar.from), other = x(bar.to);
    const shape = draw("rect", { x: one + 0.5, y: y(bar.rows), width: Math.max(1.5, other - one - 1), height: height - bottom - y(bar.rows), rx: 1.5, class: "bar" });
    shape.append(draw("title", {}, `${span(bar.from)} to ${bar.open ? "older" : span(bar.to)}: ${count(bar.rows)} rows`));
    parts.push(shape);
  }
  parts.push(draw("line", { x1: left, x2: width, y1: height - bottom, y2: height - bottom, class: "axis" }));
  const lines = [["p50", age.p50_secs, ""], ["p99", age.p99_secs, ""], ["max", age.max_secs, ""], ["target", target || null, "target"]];
  parts.push(...markers(lines, x, top, height - bottom, width));
  svg.replaceChildren(...parts);
}

// Upright lines with a name each, names that would lie upon each other left out.
function markers(lines, x, top, foot, width) {
  const parts = [];
  let free = -Infinity;
  for (const [name, secs, kind] of lines.filter((line) => known(line[1])).sort((a, b) => a[1] - b[1])) {
    const at = x(secs);
    parts.push(draw("line", { x1: at, x2: at, y1: top, y2: foot, class: `marker ${kind}` }));
    if (at < free) continue;
    free = at + name.length * 6 + 8;
    parts.push(draw("text", { x: at, y: top - 4, class: `tick ${at > width - 30 ? "end" : "middle"} ${kind}` }, name));
  }
  return parts;
}

function buckets(age) {
  const bars = [];
  let from = 0;
  for (const { le_secs, rows } of age.histogram ?? []) {
    const open = !known(le_secs);
    const to = open ? Math.max(age.max_secs ?? 0, from * 2, 1) : le_secs;
    bars.push({ from, to, rows, open });
    from = to;
  }
  return begun(bars.filter((bar) => bar.rows > 0).length > 2 ? bars : byPercentile(age) ?? bars);
}

// Rows that are all in one bucket or two are told apart by what is known of their percentiles.
function byPercentile(age) {
  const marks = [[age.p50_secs, 0.5], [age.p90_secs, 0.4], [age.p99_secs, 0.09], [age.max_secs, 0.01]];
  if (!age.rows || marks.some(([secs]) => !known(secs))) return null;
  let from = 0;
  return marks.map(([to, share]) => ({ from, to, rows: Math.round(share * age.rows), open: false, next: (from = to) })).filter((bar) => bar.to > bar.from);
}

// A logarithmic axis has no 0.
const begun = (bars) => bars.map((bar) => ({ ...bar, from: bar.from || bar.to / 4 }));

// Units by day; days without any are gaps. `perDay`: what the month's cap allows a day.
export function days(host, spent, perDay, today) {
  const height = 96, bottom = 16, top = 12, shown = 31;
  const of = new Map(spent.map((day) => [day.day, day]));
  const last = Date.parse(today);
  const all = Array.from({ length: shown }, (_, at) => new Date(last - (shown - 1 - at) * 864e5).toISOString().slice(0, 10));
  const most = Math.max(1, ...spent.map((day) => day.units));
  const [svg, width] = canvas(host, height, `Units by day, ${compact(most)} at most`);
  const step = width / shown;
  const y = (units) => top + (height - top - bottom) * (1 - units / most);
  const parts = [draw("line", { x1: 0, x2: width, y1: top, y2: top, class: "grid" }), draw("text", { x: 0, y: top - 3, class: "tick" }, `${compact(most)} a day`)];
  all.forEach((day, at) => {
    const { units = 0, calls = 0 } = of.get(day) ?? {};
    if (units) {
      const tall = Math.max(1.5, height - bottom - y(units));
      const bar = draw("rect", { x: at * step + 1, y: height - bottom - tall, width: step - 2, height: tall, rx: 1.5, class: `bar ${at === shown - 1 ? "" : "past"}` });
      bar.append(draw("title", {}, `${day}: ${count(units)} units, ${count(calls)} calls`));
      parts.push(bar);
    }
    if (day.endsWith("-01") || at === 0 || at === shown - 1)
      parts.push(draw("text", { x: at * step + step / 2, y: height - 3, class: `tick ${at === 0 ? "" : at === shown - 1 ? "end" : "middle"}` }, day.slice(5)));
  });
  parts.push(draw("line", { x1: 0, x2: width, y1: height - bottom, y2: height - bottom, class: "axis" }));
  if (perDay && perDay <= most) parts.push(draw("line", { x1: 0, x2: width, y1: y(perDay), y2: y(perDay), class: "marker target" }));
  svg.replaceChildren(...parts);
}

// How much of the cap is spent, and will be. `parts`: [[class, share], …], of one after the other.
export function meter(host, parts, label) {
  const [svg, width] = canvas(host, 10, label);
  let from = 0;
  const shapes = [draw("rect", { x: 0, y: 0, width, height: 10, rx: 3, class: "empty" })];
  for (const [kind, share] of parts) {
    const wide = Math.max(0, Math.min(1 - from, share)) * width;
    if (wide > 0) shapes.push(draw("rect", { x: from * width, y: 0, width: wide, height: 10, rx: 3, class: kind }));
    from = Math.min(1, from + Math.max(0, share));
  }
  svg.replaceChildren(...shapes);
}
