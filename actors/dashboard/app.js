// The page's life: it listens to the service, draws what that says, and tries again for as long as it does not answer.

import { remember, renderAbout, renderAssets, renderChains, renderFigures, renderSpend } from "./panels.js";
import { actors } from "./tables.js";
import { mark, say } from "./words.js";
import { verdict } from "./verdict.js";

const SILENCE_MS = 4000; // the service speaks each second
const AGAIN_MS = 1000;
const NOTE_MS = 60000;
const at = (id) => document.getElementById(id);
let status = null;
let heardAt = Date.now();
let lostSince = null;
let stream = null;
let notes = [];

function listen() {
  stream?.close();
  stream = new EventSource("/api/events");
  stream.addEventListener("status", (event) => hear(event.data));
  stream.addEventListener("error", lose);
}

function hear(text) {
  const said = JSON.parse(text);
  const now = Date.now();
  if (status && said.started_at !== status.started_at)
    notes.push({ until: now + NOTE_MS, text: `the service was started again at ${new Date(said.started_at).toLocaleTimeString("en-GB")}` });
  status = said;
  heardAt = now;
  lostSince = null;
  remember(status, now / 1000);
  draw();
}

// A stream that broke off, or that says nothing any more.
function lose() {
  lostSince ??= new Date(heardAt);
  stream?.close();
  stream = null;
  draw();
  setTimeout(again, AGAIN_MS);
}

// Plain questions work where streams do not, for instance where there are too many of them already.
async function again() {
  try {
    const answer = await fetch("/api/status", { cache: "no-store", signal: AbortSignal.timeout(SILENCE_MS) });
    if (!answer.ok) throw new Error(answer.statusText);
    hear(await answer.text());
    listen();
  } catch {
    lose();
  }
}

function draw() {
  const lost = lostSince && Date.now() - heardAt > AGAIN_MS ? { since: lostSince, where: location.host } : null;
  notes = notes.filter((note) => note.until > Date.now());
  verdict(status, lost, notes.map((note) => note.text));
  mark(say(at("live"), lost ? "no answer" : status ? "live" : "connecting"), "data-kind", lost ? "bad" : status ? "good" : "wait");
  document.body.classList.toggle("stale", Boolean(lost));
  if (!status || lost) return;
  const moment = status.at ? Date.parse(status.at) : Date.now();
  renderAbout(status);
  renderFigures(status, heardAt / 1000);
  renderAssets(status, moment);
  renderChains(status, moment);
  renderSpend(status);
  actors(at("actors").tBodies[0], status, ask);
  if (!document.body.classList.contains("drawn")) performance.mark("drawn");
  document.body.classList.add("drawn");
}

setInterval(() => {
  if (lostSince) draw();
  else if (stream && Date.now() - heardAt > SILENCE_MS) lose();
}, 500);
addEventListener("resize", () => requestAnimationFrame(draw));

// --- Killing actors. The token stays in this page's memory, and goes out in a header alone.

let token = "";
let victim = "";

function ask(name, why = "") {
  victim = name;
  if (token && !why) return void kill();
  say(at("ask-title"), `Kill ${name}`);
  say(at("ask-why"), why || "It is started again at once, and what it had in hand is taken up. The token is asked for once.");
  at("token").value = "";
  at("ask").showModal();
}

async function kill() {
  const path = `/api/actors/${encodeURIComponent(victim)}/kill`;
  let answer;
  try {
    answer = await fetch(path, { method: "POST", headers: { authorization: `Bearer ${token}` } });
  } catch {
    return ask(victim, "The service does not answer.");
  }
  if (answer.ok) return notes.push({ until: Date.now() + 5000, text: `${victim} was told to end` }), draw();
  const { error } = await answer.json().catch(() => ({ error: answer.statusText }));
  token = "";
  ask(victim, error);
}

at("ask").querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  token = at("token").value;
  at("token").value = "";
  at("ask").close();
  kill();
});
at("ask-no").addEventListener("click", () => at("ask").close());

listen();
