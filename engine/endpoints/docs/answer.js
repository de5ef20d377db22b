// Shows what a service has answered, by text nodes alone, so that nothing in an answer becomes markup here.

import { controls, fields, isRaw, JSON_NUMBER, parsed, pretty } from "./request.js";

const SHOWN_CHARACTERS = 200_000;
const SHOWN_ROWS = 50;
const TEXTUAL = /^text\/|[/+](json|xml|javascript|yaml)\b/;
const ADVICE = {
  401: "Enter a key in the field “API key” at the top of this page.",
  403: "This key may not be used here, or a key is required.",
  429: "Too many requests were sent from here.",
};

// The names in RFC 9110 where servers and browsers have older ones.
const STATUS_NAMES = { 413: "Content Too Large", 414: "URI Too Long", 416: "Range Not Satisfiable", 422: "Unprocessable Content" };
const ERRORS_AT = JSON.parse(document.body.dataset.errorsAt); // the names that lead to them in the body of a 422

const nameOf = ({ status, statusText }) => STATUS_NAMES[status] ?? statusText;

export const rows = (count) => `${count.toLocaleString("en")} ${count === 1 ? "row" : "rows"}`;

const orders = new WeakMap(); // card → the classes in the order in which its bars stand

export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

export function clear(card) {
  card.querySelectorAll("[data-role]").forEach(forget);
  for (const part of card.querySelectorAll("[data-outcome], [data-faults], [data-rest]")) part.replaceChildren();
  card.querySelector("[data-faults]").hidden = true;
}

// What was wrong with a field.
export function forget(control) {
  control.removeAttribute("aria-invalid");
  const fault = document.getElementById(`${control.id}-fault`);
  fault.hidden = true;
  fault.textContent = "";
}

// An answer to somebody who moves a control (`isLive`) takes the focus from nobody, and leaves the bars in their order.
export function show(card, got, bytes, milliseconds, isLive) {
  if (!isLive) orders.delete(card);
  const opened = new Set([...card.querySelectorAll("[data-rest] details[open] summary")].map((one) => one.textContent));
  clear(card);
  if (got.type === "opaqueredirect") {
    const advice = "This page does not follow redirects; curl -i shows where it leads.";
    return outcome(card, "A redirect", make("p", {}, advice));
  }
  const type = got.headers.get("Content-Type") ?? "";
  const text = TEXTUAL.test(type) ? new TextDecoder().decode(bytes) : undefined;
  const value = /\bjson\b/.test(type) ? parsed(text) : undefined;
  const took = (status) => make("p", { className: "quiet" }, `${status}${milliseconds} ms`);
  const rest = card.querySelector("[data-rest]");
  if (!got.ok && got.status !== 304) {
    refuse(card, got, value, took, isLive);
  } else if ("model" in card.dataset && Array.isArray(value?.result)) {
    predicted(card, value, took(`${got.status} ${nameOf(got)} · `));
  } else {
    outcome(card, `${got.status} ${nameOf(got)}`, took(""));
  }
  const headers = [...got.headers].map(([name, content]) => `${name}: ${content}`).join("\n");
  const body = shown(value === undefined ? text : pretty(text), bytes, type);
  const isExplained = got.ok ? "model" in card.dataset : isProblem(got);
  const isBodyOpen = opened.has("Body") || !isExplained;
  rest.append(folded("Body", body, isBodyOpen), folded("Headers", headers, opened.has("Headers")));
}

function predicted(card, { result, labels, probabilities }, took) {
  const rest = card.querySelector("[data-rest]");
  const all = labels ?? result;
  const said = all.length === 1 ? all[0] : all;
  if (Array.isArray(said)) {
    // a model with several outputs gives an array for a single instance
    outcome(card, `${said.length} ${all.length === 1 ? "values" : "predictions"}`, took);
    return rest.append(listed(said));
  }
  outcome(card, inWords(said), took);
  if (!probabilities) return;
  rest.append(bars(card, probabilities[0]));
  const chance = probabilities[0][card.dataset.positive];
  if (chance !== undefined) rest.append(threshold(card, [chance]));
}

function refuse(card, got, problem, took, isLive) {
  const { headline, status, more, errors } = explained(got, problem);
  outcome(card, headline, took(status), ...more);
  if (errors.length) showFaults(card, errors.map((error) => ({ control: place(card, error), ...error })), isLive);
}

// A refusal in words; `status` is what its headline does not say of that.
export function explained(got, body) {
  const problem = isProblem(got) ? body : undefined;
  const { title, detail } = problem ?? {};
  const errors = got.status === 422 ? errorsIn(body) : [];
  if (!errors.length) {
    const headline = title ?? `${got.status} ${nameOf(got)}`;
    return { headline, status: title ? `${got.status} · ` : "", more: reasons(got, problem), errors };
  }
  const [count] = /^[\d,]+(?= violation)/.exec(detail ?? "") ?? [errors.length];
  const told = /^[\d,]+ violations?$/.test(detail ?? "") ? { ...problem, detail: "" } : problem;
  return { headline: toCorrect(count), status: `${got.status} ${title ?? nameOf(got)} · `, more: reasons(got, told), errors };
}

function isProblem({ headers }) {
  return /^application\/problem\+json\b/.test(headers.get("Content-Type") ?? "");
}

function errorsIn(body) {
  const found = ERRORS_AT.reduce((part, name) => part?.[name], body);
  const isError = (one) => typeof one?.pointer === "string" && typeof one.detail === "string";
  return Array.isArray(found) ? found.filter(isError) : [];
}

export function toCorrect(count) {
  return `${count} ${String(count) === "1" ? "thing" : "things"} to correct`;
}

export function outcome(card, headline, ...more) {
  card.querySelector("[data-outcome]").replaceChildren(make("p", { className: "headline", dir: "auto" }, headline), ...more);
}

function reasons(got, problem) {
  const lines = [problem?.detail, ADVICE[got.status]];
  const wait = got.headers.get("Retry-After");
  if (wait) lines.push(/^\d+$/.test(wait) ? `Retry in ${wait} s.` : `Retry at ${wait}.`);
  if (problem?.request_id) lines.push(`Request id: ${problem.request_id}`);
  return lines.filter(Boolean).map((text) => make("p", { dir: "auto" }, text));
}

// The field that a violation is about. A missing member is reported for the object that it is missing in.
function place(card, { in: part, pointer, detail }) {
  if (!part && isRaw(card)) return controls(card, "raw")[0];
  return controls(card, ...(part ? [part] : ["member", "item", "whole"])).find((control) => {
    const own = control.dataset.pointer;
    const missing = pointer === "#" && detail.startsWith(`"${control.dataset.field}" is required`);
    return pointer === own || pointer.startsWith(`${own}/`) || missing;
  });
}

export function showFaults(card, faults, isLive) {
  const order = [...fields(card), ...controls(card, "raw")];
  const rank = ({ control }) => (control ? order.indexOf(control) : order.length);
  const items = [...faults].sort((one, other) => rank(one) - rank(other)).map(({ control, pointer, detail }) => {
    if (!control) return make("li", { dir: "auto" }, pointer && pointer !== "#" ? `${pointer}: ${detail}` : detail);
    const isInside = pointer && pointer !== "#" && pointer !== control.dataset.pointer;
    const text = isInside ? `${pointer}: ${detail}` : detail;
    mark(control, control.dataset.role === "raw" ? "The errors are listed beside this field." : text);
    const { field = "" } = control.dataset;
    const link = make("a", { href: `#${control.id}` }, !field || text.includes(field) ? text : `${field}: ${text}`);
    link.addEventListener("click", (event) => {
      event.preventDefault();
      control.focus();
    });
    return make("li", { dir: "auto" }, link);
  });
  const summary = card.querySelector("[data-faults]");
  summary.replaceChildren(make("ul", {}, ...items));
  summary.hidden = false;
  if (!isLive) summary.focus();
}

function mark(control, text) {
  const fault = document.getElementById(`${control.id}-fault`);
  if (fault.lastChild?.textContent !== text) fault.append(fault.hasChildNodes() ? make("br") : "", text);
  fault.hidden = false;
  control.ariaInvalid = "true";
}

// The most probable class comes first, and stays where it is while somebody moves a control.
function bars(card, chances) {
  const names = Object.keys(chances);
  const known = orders.get(card)?.filter((name) => name in chances) ?? [];
  const order = known.length === names.length ? known : names.sort((one, other) => chances[other] - chances[one]);
  orders.set(card, order);
  const table = make("table", { className: "bars" }, make("caption", {}, "Probabilities"));
  for (const name of order.slice(0, SHOWN_ROWS)) {
    const chance = chances[name];
    const bar = make("div");
    bar.style.width = `${100 * chance}%`;
    const label = make("th", { scope: "row", dir: "auto" }, name);
    const track = make("td", { className: "bar" }, make("div", { className: "track" }, chance > 0 ? bar : ""));
    table.append(make("tr", {}, label, track, make("td", {}, percent(chance))));
  }
  return table;
}

// What would be answered from another probability on; the answer itself stays the service's. `follow` gets the classes
// at a threshold that is not the service's own, else none.
export function threshold(card, chances, follow) {
  const { positive, negative, bar } = card.dataset;
  const range = make("input", { type: "range", min: 0, max: 1, step: 0.01, value: card.dataset.tried ?? bar });
  const said = make("output");
  const judge = () => {
    const at = Number(card.dataset.tried ?? bar);
    const name = String(at).length > 4 ? String(at) : at.toFixed(2);
    const classes = chances.map((chance) => (chance >= at ? positive : negative));
    const count = classes.filter((one) => one === positive).length;
    said.textContent = `${name}: ${follow ? `${count.toLocaleString("en")} of ${rows(chances.length)} are ${quoted(positive)}` : quoted(classes[0])}`;
    follow?.(at === Number(bar) ? [] : [`prediction_at_${name}`, ...classes]);
  };
  range.addEventListener("input", () => {
    card.dataset.tried = range.value;
    judge();
  });
  judge();
  return make("label", { className: "threshold" }, make("span", {}, `Try a threshold for ${quoted(positive)}`), range, said);
}

// A class in quotation marks, since it may be a word such as "stays"; a number needs none.
function quoted(name) {
  return JSON_NUMBER.test(name) ? name : `"${name}"`;
}

// What is nearly never or nearly always is not rounded to it.
function percent(chance) {
  if (chance > 0 && chance < 0.001) return "<0.1%";
  if (chance < 1 && chance > 0.999) return ">99.9%";
  return `${(100 * chance).toFixed(1)}%`;
}

function listed(values) {
  return make("ol", {}, ...values.slice(0, SHOWN_ROWS).map((value) => make("li", { dir: "auto" }, inWords(value))));
}

function folded(name, content, open) {
  const code = make("pre", { tabIndex: 0, role: "group", ariaLabel: name }, make("code", {}, content));
  return make("details", { open }, make("summary", {}, name), code);
}

function shown(text, bytes, type) {
  if (text === undefined) return bytes.byteLength ? `${bytes.byteLength} bytes of ${type || "no declared type"}` : "(empty)";
  const cut = text.length > SHOWN_CHARACTERS ? `\n… and ${text.length - SHOWN_CHARACTERS} more characters` : "";
  return (text.slice(0, SHOWN_CHARACTERS) || "(empty)") + cut;
}

function inWords(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}
