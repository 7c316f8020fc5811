// Whether all is true, and if not each broken part with its cause: the first thing on the page.

import { clock, count, each, el, mark, plural, say, show, span } from "./words.js";

const MOST = 5;
const at = (id) => document.getElementById(id);
const BADGES = { bad: "broken", warn: "warning", note: "note" };
const SIGNS = { good: "✓ ", warn: "! ", bad: "✕ ", wait: "" };

// `lost`: {since, where} while the service does not answer. `notes`: texts that are neither.
export function verdict(status, lost, notes) {
  const lines = lost ? [line("bad", silence(lost))] : [];
  if (status && !lost) lines.push(...status.reasons.map((text) => line("bad", text)), ...(status.warnings ?? []).map((text) => line("warn", text)));
  if (!lost) lines.push(...notes.map((text) => line("note", text)));
  const broken = lines.filter((each) => each.kind === "bad").length;
  const warned = lines.filter((each) => each.kind === "warn").length;
  const kind = broken ? "bad" : !status ? "wait" : warned ? "warn" : "good";
  const words = title(status, lost, broken, warned);
  mark(at("verdict"), "data-kind", kind);
  say(at("verdict-title"), SIGNS[kind] + words);
  show(at("verdict-sum"), !broken && Boolean(status));
  if (status) say(at("verdict-sum"), sum(status));
  put(at("verdict-lines"), lines.slice(0, MOST));
  const more = at("verdict-more");
  if (show(more, lines.length > MOST)) say(more.firstElementChild, `and ${lines.length - MOST} more`);
  put(more.lastElementChild, lines.slice(MOST));
  document.title = kind === "good" ? "✓ trueup" : kind === "wait" ? "trueup" : `${SIGNS[kind]}${words} · trueup`;
  announce(words, lines);
}

const line = (kind, text) => ({ kind, text });

function title(status, lost, broken, warned) {
  if (lost) return "The service does not answer";
  if (!status) return "Connecting to the service";
  const warnings = plural(warned, "warning");
  if (broken) return plural(broken, "problem") + (warned ? `, ${warnings}` : "");
  return warned ? `All true, with ${warnings}` : "All true";
}

const silence = ({ since, where }) =>
  `${where} has not answered since ${clock(since)} (${span(Math.max(1, Math.round((Date.now() - since) / 1000)))}): it is asked again every second, and what is below is as it was then`;

function sum(status) {
  const rows = status.assets.reduce((total, asset) => total + asset.tracked_wallets, 0);
  const chains = status.chains.filter((chain) => chain.head !== null).map((chain) => `${chain.name} at block ${count(chain.head)}`);
  return [plural(rows, "row") + " of " + plural(status.assets.length, "asset"), ...chains].join(" · ");
}

function put(list, lines) {
  each(
    list,
    lines,
    (one, index) => index,
    () => el("li", "", el("b"), el("span")),
    (node, one) => {
      mark(node, "data-kind", one.kind);
      say(node.firstElementChild, BADGES[one.kind]);
      mark(say(node.lastElementChild, one.text), "title", one.text);
    },
  );
}

// A screen reader hears of a change, not of each second that a line counts.
let said = "";
function announce(words, lines) {
  const text = [words, ...lines.map((one) => one.text)].join(". ");
  const gist = text.replace(/[\d.,:]+/g, "");
  if (gist === said) return;
  said = gist;
  say(at("said"), text);
}
