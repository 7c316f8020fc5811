// Tables: actors, endpoints, and wallets that are set aside.

import { count, each, el, known, mark, say, show, span } from "./words.js";

const cell = (classes, ...children) => el("td", classes, ...children);

// A name with what went wrong beneath it.
function named(classes = "") {
  return cell(`name ${classes}`, el("span", "label"), el("span", "error"));
}

function setNamed(node, name, error) {
  say(node.firstElementChild, name);
  show(say(node.lastElementChild, error ?? ""), Boolean(error));
}

export function state(node, kind, text) {
  mark(node.classList.contains("state") ? node : node.querySelector(".state"), "data-kind", kind);
  say(node.classList.contains("state") ? node : node.querySelector(".state"), text);
}

const KINDS = { running: "good", starting: "warn", new: "warn" };

export function actors(body, status, kill) {
  const boxes = new Map(status.mailboxes.map((box) => [box.name, box]));
  each(
    body,
    status.actors,
    (actor) => actor.name,
    (actor) => {
      const button = el("button", "", "kill");
      button.type = "button";
      mark(button, "aria-label", `kill ${actor.name}`);
      button.addEventListener("click", () => kill(actor.name));
      return el("tr", "", named("branch"), cell("", el("span", "state")), cell("number"), cell("number"), cell("kill", button));
    },
    (row, actor) => {
      const [name, how, restarts, waiting, last] = row.children;
      setNamed(name, actor.name.replace(":", ":\u200b"), actor.last_error); // may be broken there
      state(how, KINDS[actor.state] ?? "bad", actor.state);
      if (restarts.textContent !== "" && restarts.textContent !== count(actor.restarts)) flash(row);
      say(restarts, count(actor.restarts));
      const box = boxes.get(mailboxOf(actor.name));
      say(waiting, box ? `${count(box.live)} + ${count(box.sweep)}` : "");
      show(last.firstElementChild, Boolean(status.chaos_enabled));
    },
  );
}

// What an actor takes from.
function mailboxOf(actor) {
  const [kind, of] = actor.split(/:(.*)/s);
  return { writer: "readings", batcher: `touches:${of}` }[kind];
}

function flash(row) {
  row.classList.remove("new");
  void row.offsetWidth; // else the animation does not begin anew
  row.classList.add("new");
}

export function endpoints(body, found, head) {
  each(
    body,
    found,
    (endpoint) => endpoint.name,
    () => el("tr", "", named(), cell("", el("span", "state")), cell("number"), cell("number"), cell("rung"), cell("number wide")),
    (row, endpoint) => {
      const [name, how, at, latency, rung, calls] = row.children;
      setNamed(name, endpoint.name, endpoint.last_error);
      state(how, endpoint.up ? "good" : "bad", endpoint.up ? "up" : "down");
      const behind = known(endpoint.head) && known(head) ? head - endpoint.head : 0;
      say(at, count(endpoint.head) + (behind > 0 ? ` (−${count(behind)})` : ""));
      say(latency, span(endpoint.latency_secs));
      say(rung, endpoint.rung ?? "–");
      say(calls, count(endpoint.requests));
    },
  );
}

export function setAside(body, wallets) {
  each(
    body,
    wallets,
    (one) => one.wallet,
    () => el("tr", "", named("wallet"), cell("number"), cell("number")),
    (row, one) => {
      setNamed(row.children[0], one.wallet, one.error);
      say(row.children[1], count(one.attempts));
      const secs = (Date.parse(one.next_attempt) - Date.now()) / 1000;
      say(row.children[2], secs > 0 ? `in ${span(secs < 60 ? Math.ceil(secs) : secs)}` : "now");
    },
  );
}

export function table(...columns) {
  const heads = columns.map(([text, classes]) => mark(el("th", classes ?? "", text), "scope", "col"));
  return el("table", "", el("thead", "", el("tr", "", ...heads)), el("tbody"));
}

// Pairs of a word and a figure.
export function facts(list, pairs) {
  each(
    list,
    pairs.filter((pair) => pair),
    (pair) => pair[0],
    () => el("div", "", el("dt"), el("dd")),
    (node, [name, value, kind]) => {
      say(node.firstElementChild, name);
      mark(say(node.lastElementChild, value), "data-kind", kind);
    },
  );
}
