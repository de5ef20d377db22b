// What the form of a card would send, and the same request in other words. A form's own properties are not used: a
// field may be called "action".

export const JSON_NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/;
const MAX_LINE = 60;
const root = new URL(document.body.dataset.root, location.href);

// Alike for requests that differ in nothing but how their JSON is laid out.
export function meaning({ method, url, body }) {
  return [method, url, body && (pretty(body) ?? body)].join(" ");
}

export function read(card) {
  const isQuery = method(card) === "GET";
  return {
    method: method(card),
    url: url(card, isQuery),
    body: isQuery ? undefined : body(card, isRaw(card)),
    key: card.dataset.key,
  };
}

export function method(card) {
  return card.querySelector("[data-methods]")?.value ?? card.dataset.method;
}

export function isRaw(card) {
  return method(card) !== "GET" && (card.querySelector("[data-as-json]")?.checked ?? false);
}

export function controls(card, ...roles) {
  return roles.flatMap((role) => [...card.querySelectorAll(`[data-role=${role}]`)]);
}

// What the fields of a form show, in their order, as texts; a choice is the JSON of it.
export function fields(card) {
  return controls(card, "path", "member", "item", "whole");
}

export function textOf(control) {
  return control.dataset.kind === "choice" ? (control.selectedOptions[0].dataset.json ?? "") : control.value;
}

export function fill(control, text) {
  if (control.dataset.kind !== "choice") control.value = text;
  else control.selectedIndex = Math.max(0, [...control.options].findIndex((one) => (one.dataset.json ?? "") === text));
}

export function url(card, withQuery) {
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

export function body(card, raw) {
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
  const { kind, empty } = control.dataset;
  const text = kind === "text" ? control.value : control.value.trim();
  if (text === "") return empty;
  if (kind === "text" || kind === "date" || (kind === "any" && parsed(text) === undefined)) return JSON.stringify(text);
  return kind !== "number" || JSON_NUMBER.test(text) ? text : String(Number(text));
}

// What a field cannot send at all; everything else the service judges.
export function faultOf(control) {
  if (control.validity.badInput) return `This is not a ${control.type}.`;
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

export function curl({ method, url, body, key, file }) {
  const usual = body === undefined ? "GET" : "POST";
  const lines = [`curl ${method === usual || file ? "" : `-X ${method} `}${quoted(url)}`];
  if (key) lines.push(`-H "${key}: $API_KEY"`);
  if (file) lines.push("-H 'Content-Type: text/csv'", `--data-binary @${file}`);
  else if (body !== undefined) lines.push("-H 'Content-Type: application/json'", `--data-raw ${quoted(laidOut(body, "\n  "))}`);
  return lines.join(" \\\n  ");
}

// As POSIX shells read it.
function quoted(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`;
}

export function python({ method, url, body, key }) {
  const isJSON = body !== undefined && pretty(body) !== undefined;
  const lines = [...(isJSON ? ["import json"] : []), ...(key ? ["import os"] : [])];
  const plain = method === "GET" && !key;
  lines.push(`from urllib.request import ${plain ? "" : "Request, "}urlopen`, "");
  if (plain) lines.push(`with urlopen(${JSON.stringify(url)}) as answer:`, "    print(answer.read().decode())");
  if (plain) return lines.join("\n");
  if (isJSON) lines.push(`body = ${literal(laidOut(body))}`);
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

// A body as commands show it: over several lines where it is a long one.
function laidOut(body, line) {
  return body.length <= MAX_LINE || body.includes("\n") ? body : (pretty(body, line) ?? body);
}

// JSON over several lines, its numbers and texts as they were written; undefined where it is no JSON.
export function pretty(json, line = "\n") {
  if (parsed(json) === undefined) return undefined;
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

export function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

