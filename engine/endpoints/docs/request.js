// What the form of a card would send, and the same request in other words. A form's own properties are not used: a
// field may be called "action".

export const JSON_NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/;
const MAX_LINE = 60;
const NO_FILE = "FILE"; // in commands, in the place of one that is not chosen yet
const TYPES = { json: "application/json", form: "application/x-www-form-urlencoded", text: "text/plain" };
const root = new URL(document.body.dataset.root, location.href);

// Alike for requests that differ in nothing but how their JSON is laid out.
export function meaning({ method, url, headers, cookies, body, parts }) {
  const sent = (parts ?? [["", body]]).map(([name, value]) => [name, value instanceof File ? identity(value) : value]);
  const said = typeof body === "string" ? (pretty(body) ?? body) : JSON.stringify(sent);
  return [method, url, JSON.stringify([headers, cookies]), said].join(" ");
}

const identity = ({ name, size, lastModified }) => [name, size, lastModified];

// `parts` are those of a form with files, `body` is a text or a file.
export function read(card) {
  const isQuery = method(card) === "GET";
  const format = formatOf(card);
  const isForm = format === "form" || format === "multipart";
  const parts = isForm && !isQuery ? pairs(card, "member", "whole") : undefined;
  return {
    method: method(card),
    url: url(card, isQuery),
    headers: pairs(card, "header").filter(([, text]) => text !== ""),
    cookies: pairs(card, "cookie").map(([name, text]) => `${name}=${inCookie(text)}`),
    format,
    parts: format === "multipart" ? parts : undefined,
    missing: controls(card, "member").filter(isMissing).map(({ dataset }) => [dataset.field, NO_FILE]),
    body: isQuery || format === "multipart" ? undefined : isForm ? `${new URLSearchParams(parts)}` : content(card, format),
    key: card.dataset.key,
  };
}

function isMissing({ dataset, files, ariaRequired }) {
  return dataset.kind === "file" && ariaRequired === "true" && !files.length;
}

function content(card, format) {
  const [whole] = controls(card, "whole");
  if (format === "text") return whole.value;
  return format === "binary" ? whole.files[0] : body(card, isRaw(card));
}

// The Content-Type of a request; that of a form with files is the browser's, since it has the boundary.
export function typeOf({ format, body }) {
  if (body === undefined) return undefined;
  return TYPES[format] ?? (body.type || "application/octet-stream");
}

export function formatOf(card) {
  return card.querySelector("[data-formats]")?.value ?? card.dataset.format ?? "json";
}

// The names and texts, or files, of fields as a query string or a form has them.
function pairs(card, ...roles) {
  return controls(card, ...roles).flatMap((control) => {
    if (control.dataset.role === "whole") return Object.entries(parsed(control.value) ?? {});
    return textsOf(control).map((text) => [control.dataset.field, text]);
  });
}

// Between quotation marks, a cookie can have any character, as Werkzeug writes and reads it.
function inCookie(text) {
  if (/^[\w!#$%&'()*+\-./:<=>?@[\]^`{|}~]*$/.test(text)) return text;
  const escaped = (character) => `\\${character.charCodeAt().toString(8).padStart(3, "0")}`;
  return `"${asLatin(text).replace(/[^ -~]|[",;\\]/g, escaped)}"`;
}

// Null is an empty value there, where that cannot be a text.
function textsOf(control) {
  const { kind } = control.dataset;
  if (kind === "file") return [...control.files];
  if (kind === "list") return control.value.split("\n").filter(Boolean);
  const json = jsonOf(control);
  if (json === undefined) return [];
  if (json === "null") return "isText" in control.dataset ? [] : [""];
  const value = kind === "json" || kind === "any" ? parsed(json) : undefined;
  if (!Array.isArray(value)) return [control.value];
  return value.map((item) => (typeof item === "string" ? item : JSON.stringify(item)));
}

export function method(card) {
  return card.querySelector("[data-methods]")?.value ?? card.dataset.method;
}

export function isRaw(card) {
  return method(card) !== "GET" && formatOf(card) === "json" && (card.querySelector("[data-as-json]")?.checked ?? false);
}

export function controls(card, ...roles) {
  return roles.flatMap((role) => [...card.querySelectorAll(`[data-role=${role}]`)]);
}

// What the fields of a form show, in their order, as texts; a choice is the JSON of it.
export function fields(card) {
  return controls(card, "path", "query", "header", "cookie", "member", "item", "whole");
}

export function textOf(control) {
  return control.dataset.kind === "choice" ? (control.selectedOptions[0].dataset.json ?? "") : control.value;
}

export function fill(control, text) {
  if (control.dataset.kind === "file") return;
  if (control.dataset.kind !== "choice") control.value = text;
  else control.selectedIndex = Math.max(0, [...control.options].findIndex((one) => (one.dataset.json ?? "") === text));
}

export function url(card, withQuery) {
  const values = new Map(controls(card, "path").map((control) => [control.dataset.field, control.value]));
  const path = card.dataset.path.replace(/\{([^}]*)\}/g, (_, name) => values.get(name));
  const found = new URL(`./${path.slice(1).split("/").map(encodeURIComponent).join("/")}`, root);
  const asked = pairs(card, "query", ...(withQuery ? ["member"] : []));
  for (const [name, text] of asked) found.searchParams.append(name, text);
  return found.href;
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
  if (kind === "file") return described(control);
  const text = kind === "text" ? control.value : control.value.trim();
  if (text === "") return empty;
  if (kind === "text" || kind === "date" || (kind === "any" && parsed(text) === undefined)) return JSON.stringify(text);
  return kind !== "number" || JSON_NUMBER.test(text) ? text : String(Number(text));
}

// In JSON, a file is its name, type and size.
function described({ files, multiple }) {
  const all = [...files].map(({ name, type, size }) => ({ name, type: type || "application/octet-stream", size }));
  return all.length ? JSON.stringify(multiple ? all : all[0]) : undefined;
}

// What a field cannot send at all; everything else the service judges.
export function faultOf(control) {
  if (control.validity.badInput) return `This is not a ${control.type}.`;
  if (control.dataset.role === "path" && control.value === "") return "The path needs a value here.";
  if (control.dataset.role === "cookie" && textsOf(control).length > 1) return "A browser sends only one cookie of a name.";
  if (control.dataset.kind !== "json" || control.value.trim() === "") return "";
  try {
    JSON.parse(control.value);
    return "";
  } catch (error) {
    return `This is not JSON: ${error.message}`;
  }
}

// The same request in other words.

export function curl(request) {
  const { method, url, headers, cookies, key, file } = request;
  const sent = file ? ["-H 'Content-Type: text/csv'", `--data-binary @${file}`] : sentBody(request);
  const usual = sent.length ? "POST" : "GET";
  const lines = [`curl ${method === usual || file ? "" : `-X ${method} `}${quoted(url)}`];
  if (key) lines.push(`-H "${key}: $API_KEY"`);
  lines.push(...headers.map(([name, text]) => `-H ${quoted(`${name}: ${text}`)}`));
  if (cookies.length) lines.push(`-b ${quoted(cookies.join("; "))}`);
  return [...lines, ...sent].join(" \\\n  ");
}

function sentBody({ method, format, body, parts, missing }) {
  if (method === "GET") return [];
  if (format === "multipart") {
    const texts = parts.filter(([, value]) => !(value instanceof File)).map((pair) => `--form-string ${quoted(pair.join("="))}`);
    const files = parts.filter(([, value]) => value instanceof File).map(([name, file]) => [name, file.name]);
    return [...texts, ...[...files, ...missing].map(([name, file]) => `-F ${quoted(`${name}=@${file}`)}`)];
  }
  if (format === "binary") {
    const type = body?.type || "application/octet-stream";
    return [`-H ${quoted(`Content-Type: ${type}`)}`, `--data-binary ${quoted(`@${body?.name ?? NO_FILE}`)}`];
  }
  if (body === undefined) return [];
  if (format === "form") {
    const texts = [...new URLSearchParams(body)].map(([name, text]) => `${encodeURIComponent(name)}=${text}`);
    return texts.length ? texts.map((text) => `--data-urlencode ${quoted(text)}`) : ["--data ''"];
  }
  const written = format === "json" ? laidOut(body, "\n  ") : body;
  return [`-H 'Content-Type: ${TYPES[format]}'`, `--data-raw ${quoted(written)}`];
}

// As POSIX shells read it.
function quoted(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`;
}

export function python({ method, url, headers, cookies, format, body, key }) {
  const isJSON = format === "json" && body !== undefined && pretty(body) !== undefined;
  const lines = [...(isJSON ? ["import json"] : []), ...(key ? ["import os"] : [])];
  const sent = headers.map(([name, text]) => [name, JSON.stringify(asLatin(text))]);
  if (cookies.length) sent.push(["Cookie", JSON.stringify(asLatin(cookies.join("; ")))]);
  const isFile = format === "binary" && method !== "GET";
  const type = typeOf({ format, body: isFile ? (body ?? {}) : body });
  if (type) sent.push(["Content-Type", JSON.stringify(type)]);
  if (key) sent.push([key, 'os.environ["API_KEY"]']);
  const plain = method === "GET" && !sent.length;
  lines.push(`from urllib.request import ${plain ? "" : "Request, "}urlopen`, "");
  if (plain) lines.push(`with urlopen(${JSON.stringify(url)}) as answer:`, "    print(answer.read().decode())");
  if (plain) return lines.join("\n");
  if (isJSON) lines.push(`body = ${literal(laidOut(body))}`);
  lines.push("request = Request(", `    ${JSON.stringify(url)},`);
  if (isJSON) lines.push("    data=json.dumps(body).encode(),");
  else if (isFile) lines.push(`    data=open(${JSON.stringify(body?.name ?? NO_FILE)}, "rb").read(),`);
  else if (body !== undefined) lines.push(`    data=${JSON.stringify(body)}.encode(),`);
  if (sent.length) lines.push(`    headers={${sent.map(([name, text]) => `${JSON.stringify(name)}: ${text}`).join(", ")}},`);
  lines.push(`    method="${method}",`, ")", "with urlopen(request) as answer:", "    print(answer.read().decode())");
  return lines.join("\n");
}

// The bytes of UTF-8 as characters, which is how a header takes them.
export function asLatin(text) {
  return String.fromCharCode(...new TextEncoder().encode(text));
}

// JSON as Python spells it: its words differ, and "\/" is no escape there.
function literal(json) {
  const words = { true: "True", false: "False", null: "None" };
  return json.replace(/"(?:[^"\\]|\\.)*"|true|false|null/g, (token) => words[token] ?? token.replace(/\\(.)/g, unescaped));
}

function unescaped(escape, character) {
  return character === "/" ? "/" : escape;
}

// A body as commands show it: JSON in one line, or over several where it is long.
function laidOut(body, line) {
  const short = pretty(body, "") ?? body;
  return short.length <= MAX_LINE ? short : (pretty(body, line) ?? body);
}

// JSON over several lines, or in one if `line` is empty, its numbers and texts as they were written; undefined where it is
// no JSON.
export function pretty(json, line = "\n") {
  if (parsed(json) === undefined) return undefined;
  return json.replace(/"(?:[^"\\]|\\.)*"|\s+|\[\s*\]|\{\s*\}|[[{\]},:]/g, (token) => {
    if (token.startsWith('"')) return token;
    if (token.length > 1 || /\s/.test(token)) return token.replace(/\s+/g, "");
    if (token === ":") return ": ";
    if (token === ",") return `,${line || " "}`;
    if (!line) return token;
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

