// The figures, assets, chains and what they cost.

import { ages, days, meter, sparkline } from "./plots.js";
import { endpoints, facts, setAside, state, table } from "./tables.js";
import { ago, compact, count, digits, each, el, known, long, mark, say, show, span } from "./words.js";

const KEPT = 300, SHORTEST = 30; // seconds of the small plots
const history = {};
const at = (id) => document.getElementById(id);
const worst = (values) => values.filter(known).reduce((most, value) => Math.max(most, value), -Infinity);
const sum = (values) => (values.some(known) ? values.reduce((total, value) => total + (value ?? 0), 0) : null);
const orNone = (value) => (Number.isFinite(value) ? value : null);

// One sample a second: what was missed while the page was away is a gap.
export function remember(status, moment) {
  for (const figure of figures(status)) {
    const kept = (history[figure.name] ??= []);
    kept.push([moment, figure.value]);
    while (kept.length && kept[0][0] < moment - KEPT) kept.shift();
  }
}

function series(name, now) {
  const kept = history[name] ?? [];
  const long = Math.min(KEPT, Math.max(SHORTEST, Math.ceil(now - (kept[0]?.[0] ?? now))));
  const values = Array(long + 1).fill(null);
  for (const [moment, value] of kept) {
    const place = long - Math.round(now - moment);
    if (place >= 0 && place <= long) values[place] = value;
  }
  // A second that fell between two samples is no gap.
  return values.map((value, index) => value ?? (known(values[index + 1]) ? values[index - 1] ?? null : null));
}

function figures(status) {
  const age = status.assets.map((asset) => asset.age ?? {});
  const late = status.assets.map((asset) => asset.event_to_row ?? {});
  const behind = orNone(worst(status.chains.map((chain) => chain.behind)));
  const p50 = orNone(worst(late.map((one) => one.p50_secs))), p99 = orNone(worst(late.map((one) => one.p99_secs)));
  const units = sum(status.budgets.map((budget) => budget.month_units)), cap = sum(status.budgets.map((budget) => budget.month_cap));
  const pace = sum(status.budgets.map((budget) => budget.window_units / (budget.window_secs || 1)));
  const old = orNone(worst(age.map((one) => one.p99_secs))), oldest = orNone(worst(age.map((one) => one.max_secs)));
  return [
    { name: "events a second", value: status.rates?.events_per_sec, text: digits(status.rates?.events_per_sec), more: "wallets that logs touched" },
    { name: "rows a second", value: status.rates?.rows_per_sec, text: digits(status.rates?.rows_per_sec), more: "written, live and swept" },
    { name: "event to row", value: p50, text: span(p50), more: known(p99) ? `99 % within ${span(p99)}` : "no event yet" },
    { name: "blocks behind", value: behind, text: count(behind), more: "head less the slowest checkpoint" },
    { name: "age of rows, p99", value: old, text: span(old), more: known(oldest) ? `the oldest ${span(oldest)}` : "not measured yet" },
    { name: "units this month", value: pace, text: compact(units), more: cap ? `of ${compact(cap)} · ${compact(pace)}/s now` : `${compact(pace)}/s now` },
  ];
}

export function renderFigures(status, now) {
  each(
    at("figures"),
    figures(status),
    (figure) => figure.name,
    () => el("div", "figure", el("h3"), el("p", "big"), el("p", "small"), el("div", "spark")),
    (node, figure) => {
      const [name, big, small, plot] = node.children;
      say(name, figure.name);
      say(big, figure.text);
      say(small, figure.more);
      sparkline(plot, series(figure.name, now), `${figure.name} over the last minutes`);
    },
  );
}

// --- Assets

export function renderAssets(status, moment) {
  const of = new Map(status.forecasts.map((forecast) => [forecast.name, forecast]));
  each(at("assets"), status.assets, (asset) => asset.name, makeAsset, (panel, asset) => {
    const part = (name) => panel.querySelector(`.${name}`);
    const forecast = of.get(asset.name);
    say(part("title"), asset.name);
    say(part("where"), `on ${asset.chain}${asset.sweeps ? "" : " · swept by another copy of the process"}`);
    const age = asset.age;
    if (show(part("plot"), Boolean(age?.rows && age.histogram?.length))) ages(part("plot"), age, forecast?.target_age_secs);
    if (show(part("unknown"), !age)) say(part("unknown"), asset.age_error ? `The age of the rows is not known: ${asset.age_error}` : "The age of the rows is not measured yet.");
    facts(part("ages"), age ? ageFacts(age, moment) : []);
    facts(part("marks"), markFacts(asset, forecast));
    say(part("forecast"), forecast ? inWords(forecast) : "");
    show(part("aside"), asset.set_aside > 0);
    const listed = asset.set_aside_wallets ?? [];
    say(part("how-many"), `${count(asset.set_aside)} set aside${listed.length < asset.set_aside ? `, ${count(listed.length)} of them shown` : ""}`);
    setAside(part("wallets").tBodies[0], listed);
  });
}

function makeAsset() {
  const wallets = table(["wallet"], ["attempts", "number"], ["next", "number"]);
  wallets.classList.add("wallets");
  const aside = el("div", "aside", el("h3", "how-many"), wallets);
  const head = el("header", "", el("h2", "title"), el("p", "where"));
  return el("article", "panel asset", head, el("dl", "facts ages"), el("div", "plot tall"), el("p", "unknown small"), el("dl", "facts marks"), el("p", "forecast"), aside);
}

// A large table is measured now and then: until then its rows are older than was said.
const STALE_SECS = 15;

const ageFacts = (age, moment) => [
  ["rows", count(age.rows)],
  ["age p50", span(age.p50_secs)],
  ["p90", span(age.p90_secs)],
  ["p99", span(age.p99_secs)],
  ["oldest", span(age.max_secs)],
  age.placeholders ? ["not read yet", count(age.placeholders), "warn"] : null,
  (moment - Date.parse(age.at)) / 1000 > STALE_SECS ? ["measured", ago((moment - Date.parse(age.at)) / 1000)] : null,
];

function markFacts(asset, forecast) {
  const audit = asset.audit, late = asset.event_to_row;
  return [
    asset.age ? null : ["rows", count(asset.tracked_wallets)],
    ["checkpoint", count(asset.checkpoint_block)],
    ["confirmed", count(asset.confirmed)],
    known(asset.last_closed_secs_ago) ? ["last closing", ago(asset.last_closed_secs_ago)] : null,
    asset.last_tick_at ? ["last tick", `${count(asset.tick_updated)} of ${count(asset.tick_requested)}`] : null,
    late?.count ? ["event to row", `p50 ${span(late.p50_secs)}, p99 ${span(late.p99_secs)}`] : null,
    asset.objective ? ["target age", `${span(asset.objective.target_secs)}, ${asset.objective.state}`, asset.objective.at_risk ? "bad" : "good"] :
    known(forecast?.meets_target) && forecast ? ["target age", `${span(forecast.target_age_secs)}, ${forecast.meets_target ? "can be met" : "cannot be met"}`, forecast.meets_target ? "good" : "bad"] : null,
    audit ? ["audit", `${count(audit.wrong)} wrong of ${count(audit.checked)}`, audit.wrong ? "bad" : "good"] : null,
    known(audit?.wrong_per_million_high) ? ["at 95 %", `at most ${digits(audit.wrong_per_million_high)} in a million`] : null,
    known(audit?.checkable_share) ? ["can be checked", `${Math.floor(1000 * audit.checkable_share) / 10} %`] : null,
    asset.set_aside ? null : ["set aside", "none"],
  ];
}

function inWords(forecast) {
  const lap = known(forecast.secs) ? `takes ${span(forecast.secs)}` : "never ends";
  const bound = { budget: "the budget", target_age_secs: "the target age", interval_secs: "its interval" }[forecast.limited_by] ?? forecast.limited_by;
  return `A sweep of ${count(forecast.rows)} rows ${lap}, ${count(forecast.tick_rows)} every ${span(forecast.tick_every_secs)}, paced by ${bound}: ${count(forecast.calls)} calls and ${compact(forecast.units)} units, ${compact(forecast.units_a_month)} units a month.`;
}

// --- Chains

export function renderChains(status, moment) {
  each(at("chains"), status.chains, (chain) => chain.name, makeChain, (node, chain) => {
    const part = (name) => node.querySelector(`.${name}`);
    say(part("title"), chain.name);
    say(part("where"), chain.leads ? "" : "followed by another copy of the process, or by none");
    const behind = chain.behind;
    const headAge = chain.head_at ? Math.max(0, (moment - Date.parse(chain.head_at)) / 1000) : null;
    facts(part("facts"), [
      ["head", count(chain.head)],
      known(headAge) ? ["mined", ago(headAge)] : null,
      known(chain.head_seen_secs_ago) ? ["seen", ago(chain.head_seen_secs_ago)] : null,
      ["closed", count(chain.closed)],
      ["behind", known(behind) ? `${count(behind)} ${behind === 1 ? "block" : "blocks"}` : "–"],
      chain.socket ? ["socket", chain.socket, chain.socket === "up" ? "good" : "bad"] : ["socket", "none"],
      known(chain.last_push_secs_ago) ? ["last push", ago(chain.last_push_secs_ago)] : null,
      chain.branch ? ["branch", count(chain.branch)] : null,
    ]);
    show(say(part("error"), chain.socket === "down" ? chain.socket_error ?? "" : ""), chain.socket === "down" && Boolean(chain.socket_error));
    endpoints(part("endpoints").tBodies[0], status.endpoints.filter((each) => each.chain === chain.name), chain.head);
  });
  renderLedger(status.ledger ?? []);
}

function makeChain() {
  const list = table(["endpoint"], ["state"], ["head", "number"], ["latency", "number"], ["rung"], ["calls", "number wide"]);
  list.classList.add("endpoints");
  return el("div", "chain", el("header", "", el("h3", "title"), el("p", "where")), el("dl", "facts"), el("p", "error"), list);
}

function renderLedger(chains) {
  const host = at("chains").parentElement;
  const list = host.querySelector(".ledger") ?? host.appendChild(el("div", "ledger", el("h3", "", "Ledger"), table(["chain"], ["state"], ["claims", "number"], ["last claim", "number"])));
  if (!show(list, chains.length > 0)) return;
  each(list.querySelector("tbody"), chains, (chain) => chain.name, () => el("tr", "", el("td", "name", el("span", "label"), el("span", "error")), el("td", "", el("span", "state")), el("td", "number"), el("td", "number")), (row, chain) => {
    say(row.querySelector(".label"), chain.name);
    show(say(row.querySelector(".error"), chain.error ?? ""), Boolean(chain.error));
    state(row, chain.error ? "bad" : "good", chain.error ? "not read" : "read");
    say(row.children[2], count(chain.ticks));
    say(row.children[3], `${count(chain.tick_updated)} of ${count(chain.tick_requested)}`);
  });
}

// --- What it costs

export function renderSpend(status) {
  const chains = new Map(status.chains.map((chain) => [chain.name, chain]));
  each(at("spend"), status.budgets, (budget) => budget.name, () => el("div", "chain", el("header", "", el("h3", "title"), el("p", "where")), el("dl", "facts"), el("div", "plot thin"), el("div", "plot")), (node, budget) => {
    const [head, list, bar, plot] = node.children;
    say(head.firstElementChild, budget.name);
    say(head.lastElementChild, `prices of ${budget.prices}`);
    const ahead = budget.month_units_by_end;
    facts(list, [
      ["this month", known(budget.month_units) ? compact(budget.month_units) : "–"],
      ["by its end", known(ahead) ? `about ${compact(ahead)}` : "–", budget.month_cap && ahead > budget.month_cap ? "warn" : null],
      ["cap", budget.month_cap ? compact(budget.month_cap) : "none"],
      ["now", `${compact(budget.window_units / (budget.window_secs || 1))}/s${known(budget.units_per_sec) ? ` of ${compact(budget.units_per_sec)}/s` : ""}`],
      budget.throttled ? ["refused calls", count(budget.throttled), known(budget.learned_units_per_sec) ? "warn" : null] : null,
      budget.sweep_waits_for ? ["the sweep waits for", budget.sweep_waits_for] : null,
    ]);
    const spent = (budget.month_units ?? 0) / (budget.month_cap || 1);
    if (show(bar, Boolean(budget.month_cap))) meter(bar, [["bar", spent], ["ahead", (ahead ?? 0) / budget.month_cap - spent]], `${Math.round(spent * 100)} % of the month's cap is spent`);
    const byDay = chains.get(budget.name)?.spend_by_day ?? [];
    if (show(plot, byDay.length > 0)) days(plot, byDay, (budget.month_cap ?? 0) / 30, status.at?.slice(0, 10) ?? byDay.at(-1).day);
  });
}

export function renderAbout(status) {
  const up = status.at ? (Date.parse(status.at) - Date.parse(status.started_at)) / 1000 : null;
  mark(say(at("about"), `${up === null ? "" : `up ${long(up)} · `} Postgres ${status.postgres.ok ? "answers" : "away"}`), "data-kind", status.postgres.ok ? null : "bad");
}
