// How numbers, spans of time and elements are made. Texts go in as text alone: errors come from nodes, names from configs.

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const NONE = "–";

export const known = (value) => value !== null && value !== undefined;
export const count = (value) => (known(value) ? whole.format(value) : NONE);

// 1234567 as "1.23 M".
export function compact(value) {
  if (!known(value)) return NONE;
  for (const [size, unit] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e4, "k"]])
    if (Math.abs(value) >= size) return `${digits(value / (unit === "k" ? 1e3 : size))} ${unit}`;
  return Number.isInteger(value) ? whole.format(value) : digits(value);
}

// About three digits.
export const digits = (value) =>
  known(value) ? value.toLocaleString("en-US", { maximumFractionDigits: Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0 }) : NONE;

const UNITS = [[31557600, "y"], [86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

// Seconds as "380 ms", "4.2 s", "12 min", "3.5 h".
export function span(secs) {
  if (!known(secs)) return NONE;
  if (secs < 1) return `${Math.round(secs * 1000)} ms`;
  const [size, unit] = UNITS.find(([each]) => secs >= each);
  return `${digits(secs / size)} ${unit}`;
}

// A time that goes on, in whole seconds: one that is shown each second may not flicker.
export const ago = (secs) => (secs < 1 ? "now" : `${span(Math.floor(secs))} ago`);

// "3 h 12 min"
export function long(secs) {
  const at = UNITS.findIndex(([size]) => secs >= size);
  if (at < 0) return "0 s";
  const rest = UNITS[at + 1] ? Math.floor((secs % UNITS[at][0]) / UNITS[at + 1][0]) : 0;
  return `${Math.floor(secs / UNITS[at][0])} ${UNITS[at][1]}` + (rest ? ` ${rest} ${UNITS[at + 1][1]}` : "");
}

export const clock = (moment) => moment.toLocaleTimeString("en-GB");
export const plural = (n, one, many = one + "s") => `${count(n)} ${n === 1 ? one : many}`;

// el("p", "class names", "text or", child, …)
export function el(name, classes = "", ...children) {
  const made = document.createElement(name);
  if (classes) made.className = classes;
  made.append(...children.filter(known));
  return made;
}

// Only what has changed is touched, so that a selection or a screen reader is not disturbed each second.
export function say(node, value) {
  const text = String(value ?? "");
  if (node.textContent !== text) node.textContent = text;
  return node;
}

export function mark(node, name, value) {
  if (!known(value)) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
  return node;
}

export function show(node, visible) {
  if (node.hidden === visible) node.hidden = !visible;
  return visible;
}

// One child of `parent` for each item, by its key: made once, brought up to date each time, removed with its item.
export function each(parent, items, key, make, update) {
  const held = (parent.held ??= new Map());
  const seen = new Set();
  items.forEach((item, at) => {
    const name = key(item, at);
    if (seen.has(name)) return;
    seen.add(name);
    if (!held.has(name)) held.set(name, make(item));
    const node = held.get(name);
    if (parent.children[seen.size - 1] !== node) parent.insertBefore(node, parent.children[seen.size - 1] ?? null);
    update(node, item);
  });
  for (const [name, node] of held) if (!seen.has(name)) held.delete(name), node.remove();
}
