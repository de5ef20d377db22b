// Lets a person send requests from the docs page. The page is complete without this: it finds its forms in the HTML,
// and shows an answer by text nodes alone, so that nothing that a service answers becomes markup here.

const SHOWN_CHARACTERS = 200_000;
const SHOWN_ROWS = 50;
const JSON_NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/;
const TEXTUAL = /^text\/|[/+](json|xml|javascript|yaml)\b/;
const ADVICE = {
  401: "Give a key in the field “API key” at the top of this page.",
  403: "This key, or whoever asks without one, is not let in here.",
  429: "Too many requests came from here.",
};

const asked = new WeakMap(); // card → the meaning of the request that its answer is for
const root = new URL(document.body.dataset.root, location.href);
const key = document.querySelector("#key");

for (const element of document.querySelectorAll("[data-script]")) element.hidden = false;
for (const fieldset of document.querySelectorAll("fieldset")) fieldset.disabled = false;
for (const option of document.querySelectorAll("option:disabled")) option.disabled = false;
for (const card of document.querySelectorAll("[data-card]")) setUp(card);

// What the form of a card would send. A form's own properties are not used: a field may be called "action".

function setUp(card) {
  const raw = card.querySelector("[data-as-json]");
  card.addEventListener("submit", (event) => {
    event.preventDefault();
    send(card);
  });
  card.addEventListener("input", ({ target }) => {
    if (target.dataset.role) forget(target);
    update(card);
  });
  card.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
  });
  raw?.addEventListener("change", () => {
    if (raw.checked) refill(card);
    update(card);
  });
  update(card);
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
    toggle.parentElement.hidden = isQuery;
    card.querySelector("[data-raw]").hidden = !isRaw(card);
    card.querySelector("[data-fields]").hidden = isRaw(card);
  }
  const request = read(card);
  card.querySelector("[data-curl]").textContent = curl(request);
  card.querySelector("[data-python]").textContent = python(request);
  const link = card.querySelector("[data-link]");
  if (link) {
    link.hidden = isRaw(card);
    link.href = url(card, true);
  }
  const isStale = asked.has(card) && asked.get(card) !== meaning(request);
  card.querySelector("[data-answer]").classList.toggle("stale", isStale);
  card.querySelector("[data-stale]").textContent = isStale ? "For the values before" : "";
}

// Alike for requests that differ in nothing but how their JSON is laid out.
function meaning({ method, url, body }) {
  return [method, url, body && (pretty(body) ?? body)].join(" ");
}

function read(card) {
  const isQuery = method(card) === "GET";
  return {
    method: method(card),
    url: url(card, isQuery),
    body: isQuery ? undefined : body(card, isRaw(card)),
    key: card.dataset.key,
  };
}

function method(card) {
  return card.querySelector("[data-methods]")?.value ?? card.dataset.method;
}

function isRaw(card) {
  return method(card) !== "GET" && (card.querySelector("[data-as-json]")?.checked ?? false);
}

function controls(card, ...roles) {
  return roles.flatMap((role) => [...card.querySelectorAll(`[data-role=${role}]`)]);
}

function url(card, withQuery) {
  const values = new Map(controls(card, "path").map((control) => [control.dataset.field, control.value]));
  const path = card.dataset.path.replace(/\{([^}]*)\}/g, (_, name) => values.get(name));
  const found = new URL(`./${path.slice(1).split("/").map(encodeURIComponent).join("/")}`, root);
  const members = withQuery ? controls(card, "member") : [];
  for (const control of members) {
    const said = inQuery(control);
    if (said !== undefined) found.searchParams.append(control.dataset.field, said);
  }
  return found.href;
}

// Null is an empty value there, where that cannot be a text.
function inQuery(control) {
  const json = jsonOf(control);
  if (json === "null") return "isText" in control.dataset ? undefined : "";
  return json === undefined ? undefined : control.value;
}

function body(card, raw) {
  if (raw) return controls(card, "raw")[0].value;
  const [whole] = controls(card, "whole");
  if (whole) return jsonOf(whole) ?? "";
  const items = controls(card, "item");
  if (items.length) return `[${items.map((control) => jsonOf(control) ?? "null").join(", ")}]`;
  const members = controls(card, "member");
  if (!members.length) return undefined;
  const given = members.map((control) => [control.dataset.field, jsonOf(control)]);
  const pairs = given.filter(([, json]) => json !== undefined).map(([name, json]) => `${JSON.stringify(name)}: ${json}`);
  return `{${pairs.join(", ")}}`;
}

// The JSON of a field as text, so that no digit of a number is lost; undefined where nothing is to be sent.
function jsonOf(control) {
  if (control.dataset.kind === "choice") return control.selectedOptions[0].dataset.json;
  const text = control.dataset.kind === "text" ? control.value : control.value.trim();
  if (text === "") return control.dataset.empty;
  if (control.dataset.kind === "text") return JSON.stringify(text);
  return control.dataset.kind === "json" || JSON_NUMBER.test(text) ? text : String(Number(text));
}

// What a field cannot send at all; everything else the service judges.
function faultOf(control) {
  if (control.validity.badInput) return "This is not a number.";
  if (control.dataset.role === "path" && control.value === "") return "The path needs a value here.";
  if (control.dataset.kind !== "json" || control.value.trim() === "") return "";
  try {
    JSON.parse(control.value);
    return "";
  } catch (error) {
    return `This is not JSON: ${error.message}`;
  }
}

// The same request in other words.

function curl({ method, url, body, key }) {
  const usual = body === undefined ? "GET" : "POST";
  const lines = [`curl ${method === usual ? "" : `-X ${method} `}${quoted(url)}`];
  if (key) lines.push(`-H "${key}: $API_KEY"`);
  if (body !== undefined) lines.push("-H 'Content-Type: application/json'", `--data-raw ${quoted(body)}`);
  return lines.join(" \\\n  ");
}

// As POSIX shells read it.
function quoted(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`;
}

function python({ method, url, body, key }) {
  const isJSON = body !== undefined && pretty(body) !== undefined;
  const lines = [...(isJSON ? ["import json"] : []), ...(key ? ["import os"] : [])];
  const plain = method === "GET" && !key;
  lines.push(`from urllib.request import ${plain ? "" : "Request, "}urlopen`, "");
  if (plain) lines.push(`with urlopen(${JSON.stringify(url)}) as answer:`, "    print(answer.read().decode())");
  if (plain) return lines.join("\n");
  const fits = !isJSON || body.length <= 60 || body.includes("\n");
  if (isJSON) lines.push(`body = ${literal(fits ? body : pretty(body))}`);
  lines.push("request = Request(", `    ${JSON.stringify(url)},`);
  if (body !== undefined) lines.push(`    data=${isJSON ? "json.dumps(body)" : JSON.stringify(body)}.encode(),`);
  const headers = body === undefined ? [] : ['"Content-Type": "application/json"'];
  if (key) headers.push(`${JSON.stringify(key)}: os.environ["API_KEY"]`);
  if (headers.length) lines.push(`    headers={${headers.join(", ")}},`);
  lines.push(`    method="${method}",`, ")", "with urlopen(request) as answer:", "    print(answer.read().decode())");
  return lines.join("\n");
}

// JSON as Python spells it: its words differ, and "\/" is no escape there.
function literal(json) {
  const words = { true: "True", false: "False", null: "None" };
  return json.replace(/"(?:[^"\\]|\\.)*"|true|false|null/g, (token) => words[token] ?? token.replace(/\\(.)/g, unescaped));
}

function unescaped(escape, character) {
  return character === "/" ? "/" : escape;
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

// Sending, and showing what comes back.

async function send(card) {
  const answer = card.querySelector("[data-answer]");
  if (answer.ariaBusy === "true") return;
  const filled = isRaw(card) ? controls(card, "path", "raw") : controls(card, "path", "member", "item", "whole");
  const faults = filled.map((control) => ({ control, detail: faultOf(control) })).filter(({ detail }) => detail);
  const request = read(card);
  asked.set(card, meaning(request));
  clear(card);
  update(card);
  if (faults.length) {
    outcome(card, toCorrect(faults.length), make("p", { className: "quiet" }, "Nothing was sent"));
    return showFaults(card, faults);
  }
  const { method, url, body, key: header } = request;
  const headers = { Accept: "application/json, application/problem+json, */*;q=0.5" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (header && key?.value) headers[header] = key.value;
  answer.ariaBusy = "true";
  const start = performance.now();
  try {
    const got = await fetch(url, { method, headers, body, redirect: "manual", cache: "no-store" });
    const bytes = await got.arrayBuffer();
    show(card, got, bytes, Math.round(performance.now() - start));
  } catch (error) {
    outcome(card, "No answer", make("p", {}, `The service cannot be reached, or the connection broke. ${error.message}`));
  } finally {
    answer.ariaBusy = "false";
  }
}

function clear(card) {
  card.querySelectorAll("[data-role]").forEach(forget);
  for (const part of card.querySelectorAll("[data-outcome], [data-faults], [data-rest]")) part.replaceChildren();
  card.querySelector("[data-faults]").hidden = true;
}

// What was wrong with a field.
function forget(control) {
  control.removeAttribute("aria-invalid");
  const fault = document.getElementById(`${control.id}-fault`);
  fault.hidden = true;
  fault.textContent = "";
}

function show(card, got, bytes, milliseconds) {
  if (got.type === "opaqueredirect") {
    return outcome(card, "A redirect", make("p", {}, "This page follows none; the link or curl shows where it leads."));
  }
  const type = got.headers.get("Content-Type") ?? "";
  const text = TEXTUAL.test(type) ? new TextDecoder().decode(bytes) : undefined;
  const value = /\bjson\b/.test(type) ? parsed(text) : undefined;
  const took = (status) => make("p", { className: "quiet" }, `${status}${milliseconds} ms`);
  const rest = card.querySelector("[data-rest]");
  if (!got.ok && got.status !== 304) {
    refuse(card, got, value, took);
  } else if ("model" in card.dataset && Array.isArray(value?.result)) {
    predicted(card, value, took(`${got.status} ${got.statusText} · `));
  } else {
    outcome(card, `${got.status} ${got.statusText}`, took(""));
  }
  const headers = [...got.headers].map(([name, content]) => `${name}: ${content}`).join("\n");
  const body = shown(value === undefined ? text : pretty(text), bytes, type);
  rest.append(folded("Body", body, !("model" in card.dataset) && got.ok), folded("Headers", headers));
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
  if (probabilities) rest.append(bars(probabilities[0]));
}

function refuse(card, got, problem, took) {
  const { title, detail, errors } = problem ?? {};
  if (!Array.isArray(errors) || !errors.length) {
    const [headline, status] = title ? [title, `${got.status} · `] : [`${got.status} ${got.statusText}`, ""];
    return outcome(card, headline, took(status), ...reasons(got, problem));
  }
  const [count] = /^[\d,]+(?= violation)/.exec(detail) ?? [errors.length];
  const told = /^[\d,]+ violations?$/.test(detail) ? { ...problem, detail: "" } : problem;
  outcome(card, toCorrect(count), took(`${got.status} ${title ?? got.statusText} · `), ...reasons(got, told));
  showFaults(card, errors.map((error) => ({ control: place(card, error), ...error })));
}

function toCorrect(count) {
  return `${count} ${String(count) === "1" ? "thing" : "things"} to correct`;
}

function outcome(card, headline, ...more) {
  card.querySelector("[data-outcome]").replaceChildren(make("p", { className: "headline", dir: "auto" }, headline), ...more);
}

function reasons(got, problem) {
  const lines = [problem?.detail, ADVICE[got.status]];
  const wait = got.headers.get("Retry-After");
  if (wait) lines.push(/^\d+$/.test(wait) ? `Ask again in ${wait} s.` : `Ask again at ${wait}.`);
  if (problem?.request_id) lines.push(`Request id: ${problem.request_id}`);
  return lines.filter(Boolean).map((text) => make("p", { dir: "auto" }, text));
}

// The field that a violation is about. That a member is missing is told of the object that it is missing in.
function place(card, { pointer, detail }) {
  if (isRaw(card)) return controls(card, "raw")[0];
  return controls(card, "member", "item", "whole").find((control) => {
    const own = control.dataset.pointer;
    const missing = pointer === "#" && detail.startsWith(`"${control.dataset.field}" is required`);
    return pointer === own || pointer.startsWith(`${own}/`) || missing;
  });
}

function showFaults(card, faults) {
  const order = controls(card, "path", "member", "item", "whole", "raw");
  const rank = ({ control }) => (control ? order.indexOf(control) : order.length);
  const items = [...faults].sort((one, other) => rank(one) - rank(other)).map(({ control, pointer, detail }) => {
    if (!control) return make("li", { dir: "auto" }, pointer && pointer !== "#" ? `${pointer}: ${detail}` : detail);
    const isInside = pointer && pointer !== "#" && pointer !== control.dataset.pointer;
    const text = isInside ? `${pointer}: ${detail}` : detail;
    mark(control, control.dataset.role === "raw" ? "What to correct is listed below." : text);
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
  summary.focus();
}

function mark(control, text) {
  const fault = document.getElementById(`${control.id}-fault`);
  if (fault.lastChild?.textContent !== text) fault.append(fault.hasChildNodes() ? make("br") : "", text);
  fault.hidden = false;
  control.ariaInvalid = "true";
}

function bars(chances) {
  const rows = Object.entries(chances).sort(([, one], [, other]) => other - one);
  const table = make("table", { className: "bars" }, make("caption", {}, "Probabilities"));
  for (const [name, chance] of rows.slice(0, SHOWN_ROWS)) {
    const bar = make("div");
    bar.style.width = `${100 * chance}%`;
    const label = make("th", { scope: "row", dir: "auto" }, name);
    table.append(make("tr", {}, label, make("td", { className: "bar" }, chance > 0 ? bar : ""), make("td", {}, percent(chance))));
  }
  return table;
}

// What is nearly never or nearly always is not rounded to it.
function percent(chance) {
  if (chance > 0 && chance < 0.001) return "<0.1 %";
  if (chance < 1 && chance > 0.999) return ">99.9 %";
  return `${(100 * chance).toFixed(1)} %`;
}

function listed(values) {
  return make("ol", {}, ...values.slice(0, SHOWN_ROWS).map((value) => make("li", { dir: "auto" }, inWords(value))));
}

function folded(name, content, open = false) {
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

// JSON over several lines, its numbers and texts as they were written; undefined where it is no JSON.
function pretty(json) {
  if (parsed(json) === undefined) return undefined;
  let line = "\n";
  return json.replace(/"(?:[^"\\]|\\.)*"|\s+|\[\s*\]|\{\s*\}|[[{\]},:]/g, (token) => {
    if (token.startsWith('"')) return token;
    if (token.length > 1 || /\s/.test(token)) return token.replace(/\s+/g, "");
    if (token === ":") return ": ";
    if (token === ",") return `,${line}`;
    if (token === "[" || token === "{") return token + (line += "  ");
    line = line.slice(0, -2);
    return line + token;
  });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}
