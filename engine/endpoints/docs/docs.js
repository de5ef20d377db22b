// Lets a person send requests from the docs page, which is complete without it: the forms are in its HTML.

import { clear, forget, make, outcome, show, showFaults, toCorrect } from "./answer.js";
import {
  asLatin, controls, curl, faultOf, fields, fill, formatOf, isRaw, meaning, method, body, pretty, python, read, textOf, typeOf, url,
} from "./request.js";
import { acceptRows } from "./rows.js";

const LIVE_MILLISECONDS = 200; // between two requests that nobody has pressed Send for
const SETTLE_MILLISECONDS = 50; // in which several changes are one
const PAUSE_SECONDS = 5; // after a 429 that does not say how long to wait

const asked = new WeakMap(); // card → the meaning of the request that its answer is for
const running = new WeakMap(); // card → what aborts its request, and whether that is live
const waiting = new Set(); // cards whose values have moved since they were last sent
const key = document.querySelector("#key");
let next = 0; // when the next live request may be sent
let timer;

for (const element of document.querySelectorAll("[data-script]")) element.hidden = false;
for (const fieldset of document.querySelectorAll("fieldset")) fieldset.disabled = false;
for (const option of document.querySelectorAll("option:disabled")) option.disabled = false;
document.body.classList.add("scripted");
for (const card of document.querySelectorAll("[data-card]")) setUp(card);
addEventListener("hashchange", fillFromLink);
fillFromLink();
document.querySelector("#search")?.addEventListener("input", ({ target }) => search(target.value));

function setUp(card) {
  const raw = card.querySelector("[data-as-json]");
  card.addEventListener("submit", (event) => {
    event.preventDefault();
    send(card, false);
  });
  card.addEventListener("input", (event) => {
    const { target } = event;
    const control = target.dataset.slides ? document.getElementById(target.dataset.slides) : target;
    if (control !== target) control.value = target.value;
    if (control.dataset.role) forget(control);
    update(card);
    if (control.dataset.role && isMoved(event)) sendSoon(card);
  });
  card.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-copy]");
    const chip = target.closest("[data-values]");
    if (button) copy(button);
    if (chip) choose(card, chip);
    if (target.closest("[data-share]")) share(card);
  });
  raw?.addEventListener("change", () => {
    if (raw.checked) refill(card);
    update(card);
  });
  if (card.querySelector("[data-rows]")) acceptRows(card, keyed);
  update(card);
}

// A slider, a choice or the arrows of a number move a value; what is typed is sent when it is complete.
function isMoved({ target, inputType }) {
  return target.dataset.slides || target.dataset.kind === "choice" || (target.type === "number" && !inputType);
}

function choose(card, chip) {
  const texts = JSON.parse(chip.dataset.values);
  fields(card).forEach((control, place) => fill(control, texts[place]));
  const raw = card.querySelector("[data-as-json]");
  if (raw?.checked) refill(card);
  card.querySelectorAll("[data-role]").forEach(forget);
  update(card);
  sendSoon(card);
}

// Only where the fields have changed since it was last done: what somebody wrote stays.
function refill(card) {
  const [written] = controls(card, "raw");
  const json = body(card, false);
  if (written.dataset.filled !== json) written.value = pretty(json) ?? json;
  written.dataset.filled = json;
}

function update(card) {
  const isQuery = method(card) === "GET";
  const toggle = card.querySelector("[data-as-json]");
  if (toggle) {
    toggle.parentElement.hidden = isQuery || formatOf(card) !== "json";
    card.querySelector("[data-raw]").hidden = !isRaw(card);
    card.querySelector("[data-fields]").hidden = isRaw(card);
  }
  const batch = card.querySelector("[data-batch]");
  if (batch) batch.hidden = isQuery || formatOf(card) !== "json";
  for (const slider of card.querySelectorAll("[data-slides]")) {
    const { value } = document.getElementById(slider.dataset.slides);
    slider.classList.toggle("unset", value === "");
    slider.value = value; // an empty one puts it into the middle
  }
  const request = read(card);
  card.querySelector("[data-curl]").textContent = curl(request);
  const snippet = card.querySelector("[data-python]");
  snippet.closest("figure").hidden = Boolean(request.parts); // which Python has no short words for
  snippet.textContent = python(request);
  const ofRows = card.querySelector("[data-curl-rows]");
  if (ofRows) ofRows.textContent = curl({ ...request, url: url(card, false), method: "POST", file: "rows.csv" });
  const link = card.querySelector("[data-share]");
  if (link) [link.hidden, link.href] = [isRaw(card), linkTo(card)];
  const isStale = asked.has(card) && asked.get(card) !== meaning(request);
  card.querySelector("[data-answer]").classList.toggle("stale", isStale);
  card.querySelector("[data-stale]").textContent = isStale ? "Result for the previous values" : "";
}

// A link to a form with its values, which go to nobody: a browser does not send a fragment.

function linkTo(card) {
  const values = shared(card).map((control) => [nameOf(control), textOf(control)]);
  return `#${card.id}?${new URLSearchParams(values)}`;
}

// Cookies and files stay here.
function shared(card) {
  return fields(card).filter(({ dataset }) => dataset.role !== "cookie" && dataset.kind !== "file");
}

function nameOf({ dataset: { role, field } }) {
  return role === "query" || role === "header" ? `${role}.${field}` : field;
}

function fillFromLink() {
  const [id, values] = location.hash.slice(1).split(/\?(.*)/s);
  const card = values === undefined ? null : document.getElementById(id);
  if (!card?.matches("[data-card]")) return;
  const texts = new URLSearchParams(values);
  for (const control of shared(card)) if (texts.has(nameOf(control))) fill(control, texts.get(nameOf(control)));
  for (const around of [card.querySelector(".try"), card.closest("details")]) if (around) around.open = true;
  update(card);
  card.scrollIntoView();
}

async function share(card) {
  const said = card.querySelector("[data-shared]");
  said.textContent = "";
  try {
    await navigator.clipboard.writeText(card.querySelector("[data-share]").href);
    said.textContent = "Link copied";
  } catch {
    said.textContent = "The link is in the address bar"; // no clipboard without https
  }
}

// Where the list stands above the endpoints, those that are not found are hidden as well.
function search(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const items = [...document.querySelectorAll("nav li")];
  for (const item of items) {
    const said = `${item.textContent} ${item.dataset.words}`.toLowerCase();
    item.hidden = !words.every((word) => said.includes(word));
  }
  const found = new Set(items.filter((item) => !item.hidden).map((item) => item.querySelector("a").hash.slice(1)));
  for (const card of document.querySelectorAll("[data-card]")) card.classList.toggle("unfound", words.length > 0 && !found.has(card.id));
  for (const section of document.querySelectorAll("main section")) {
    section.classList.toggle("unfound", !section.querySelector("[data-card]:not(.unfound)"));
  }
  const count = items.filter((item) => !item.hidden).length;
  document.querySelector("[data-found]").textContent = `${count} of ${items.length} endpoints`;
}

async function copy(button) {
  const figure = button.closest("figure");
  const code = figure.querySelector("code");
  const said = figure.querySelector("[role=status]");
  said.textContent = "";
  let copied = true;
  try {
    await navigator.clipboard.writeText(code.textContent);
  } catch {
    getSelection().selectAllChildren(code); // no clipboard without https: the old way, else by hand
    copied = document.execCommand("copy");
  }
  said.textContent = copied ? "Copied" : "Selected";
}

// While somebody moves a control, the newest values are sent: at most 5 times a second, and not during a pause.

function sendSoon(card) {
  if (!("model" in card.dataset)) return;
  waiting.add(card);
  timer ??= setTimeout(sendWaiting, Math.max(SETTLE_MILLISECONDS, next - performance.now()));
}

function sendWaiting() {
  timer = undefined;
  const [card] = waiting;
  if (!card) return;
  if (performance.now() < next) return sendSoon(card);
  next = performance.now() + LIVE_MILLISECONDS;
  waiting.delete(card);
  send(card, true);
  for (const other of waiting) sendSoon(other);
}

function keyed(card) {
  return card.dataset.key && key?.value ? { [card.dataset.key]: key.value } : {};
}

async function send(card, isLive) {
  const before = running.get(card);
  if (before && !before.isLive && !isLive) return;
  const filled = isRaw(card) ? controls(card, "path", "query", "header", "cookie", "raw") : fields(card);
  const faults = filled.map((control) => ({ control, detail: faultOf(control) })).filter(({ detail }) => detail);
  if (faults.length && isLive) return;
  before?.controller.abort();
  waiting.delete(card);
  const request = read(card);
  asked.set(card, meaning(request));
  if (!isLive) clear(card);
  update(card);
  if (faults.length) {
    outcome(card, toCorrect(faults.length), make("p", { className: "quiet" }, "Nothing was sent"));
    return showFaults(card, faults);
  }
  const mine = { controller: new AbortController(), isLive };
  running.set(card, mine);
  const answer = card.querySelector("[data-answer]");
  answer.classList.add("answered");
  answer.ariaBusy = "true";
  try {
    await ask(card, request, mine);
  } catch (error) {
    if (running.get(card) !== mine) return;
    clear(card);
    outcome(card, "No answer", make("p", {}, `The service cannot be reached, or the connection broke. ${error.message}`));
  } finally {
    if (running.get(card) === mine) {
      running.delete(card);
      answer.ariaBusy = "false";
    }
  }
}

async function ask(card, request, { controller, isLive }) {
  const { method, url, parts } = request;
  const headers = new Headers({ Accept: "application/json, application/problem+json, */*;q=0.5", ...keyed(card) });
  for (const [name, text] of request.headers) headers.set(name, asLatin(text));
  const type = typeOf(request);
  if (type) headers.set("Content-Type", type);
  const start = performance.now();
  const body = parts ? formOf(parts) : request.body;
  const settings = { method, headers, body, redirect: "manual", cache: "no-store", signal: controller.signal };
  setCookies(request, "");
  let got, bytes;
  try {
    got = await fetch(url, settings);
    bytes = await got.arrayBuffer();
  } finally {
    setCookies(request, "; max-age=0");
  }
  if (got.status === 429) next = performance.now() + 1000 * (Number(got.headers.get("Retry-After")) || PAUSE_SECONDS);
  show(card, got, bytes, Math.round(performance.now() - start), isLive);
}

function formOf(parts) {
  const form = new FormData();
  for (const [name, value] of parts) form.append(name, value);
  return form;
}

// A script cannot set the header Cookie, but cookies of the path that it asks, for as long as that takes.
function setCookies({ url, cookies }, end) {
  const { pathname } = new URL(url);
  for (const cookie of cookies) document.cookie = `${cookie}; path=${pathname}; SameSite=Strict${end}`;
}
