// Scores a CSV that somebody drops on a model: a table of its first rows with their predictions, and all for download.

import { explained, make, rows, threshold } from "./answer.js";
import { controls, JSON_NUMBER, parsed, url } from "./request.js";

const SHOWN_ROWS = 50;
const MAX_DIGITS = 4; // of a fraction; nobody reads more
const SEPARATORS = [",", ";", "\t", "|"];

export function acceptRows(card, headersOf) {
  const area = card.querySelector("[data-drop]");
  const input = area.querySelector("input");
  input.addEventListener("click", () => (input.value = "")); // so that the same file can be chosen again
  input.addEventListener("change", () => take(input.files[0]));
  area.addEventListener("dragover", (event) => {
    event.preventDefault();
    area.classList.add("over");
  });
  area.addEventListener("dragleave", () => area.classList.remove("over"));
  area.addEventListener("drop", (event) => {
    event.preventDefault();
    area.classList.remove("over");
    input.files = event.dataTransfer.files; // so that it is named there too
    take(input.files[0]);
  });

  async function take(file) {
    if (!file || area.ariaBusy === "true") return;
    area.ariaBusy = "true";
    say(card, `Scoring ${file.name} …`);
    try {
      await score(card, file, headersOf(card));
    } catch (error) {
      say(card, `The file or the service cannot be reached. ${error.message}`);
    } finally {
      area.ariaBusy = "false";
    }
  }
}

async function score(card, file, headers) {
  const sent = new TextDecoder("utf-8", { ignoreBOM: true }).decode(await file.arrayBuffer());
  const own = { ...headers, "Content-Type": "text/csv", Accept: "text/csv, application/problem+json" };
  const got = await fetch(url(card, false), { method: "POST", headers: own, body: file, redirect: "manual", cache: "no-store" });
  const text = await got.text();
  if (!got.ok) return refuse(card, got, parsed(text));
  const between = separatorOf(sent, [...card.querySelectorAll("[data-field]")].map(({ dataset }) => dataset.field));
  const input = records(sent, between);
  const output = records(text, ",").map(({ cells }) => cells);
  // Where the lines do not match one to one, as with a file that has no line of names, predictions stand alone.
  const both = input.length === output.length;
  const separator = both ? between : ",";
  const ending = sent.includes("\r\n") ? "\r\n" : "\n";
  const mark = both && /^\uFEFF/.test(sent) ? "\uFEFF" : "";
  const fileName = `${file.name.replace(/\.\w+$/, "")}-scored.csv`;
  const link = make("a", { download: fileName }, `Download ${fileName}`);
  const shown = make("div");
  const present = (tried) => {
    const own = output.map((cells, row) => [...tried.slice(row, row + 1), ...cells]);
    const lines = own.map((cells, row) => [...(both ? [input[row].raw] : []), ...cells.map((cell) => quoted(cell, separator))].join(separator));
    URL.revokeObjectURL(link.href);
    link.href = URL.createObjectURL(new Blob([mark, lines.join(ending), ending], { type: "text/csv" }));
    shown.replaceChildren(table(own.slice(0, 1 + SHOWN_ROWS), both ? input : []));
  };
  present([]);
  say(card, `${rows(output.length - 1)} of ${file.name} scored`);
  const more = output.length - 1 > SHOWN_ROWS ? make("p", { className: "quiet" }, `The first ${SHOWN_ROWS} rows are shown.`) : "";
  card.querySelector("[data-table]").replaceChildren(make("p", {}, link), barOf(card, output, present), more, shown);
}

function say(card, text, ...more) {
  const before = card.querySelector("[data-table] a");
  if (before) URL.revokeObjectURL(before.href);
  card.querySelector("[data-scored]").replaceChildren(make("p", { className: "scored" }, text), ...more);
  card.querySelector("[data-table]").replaceChildren();
}

function refuse(card, got, problem) {
  const { headline, more, errors } = explained(got, problem);
  const list = make("ul", {}, ...errors.map((error) => make("li", { dir: "auto" }, withColumn(card, error))));
  say(card, headline, ...more, errors.length ? list : "");
}

// A violation names its line; its column is in the pointer alone, such as #/instances/1/signup.
function withColumn(card, { pointer = "", detail }) {
  const part = pointer.split("/")[3];
  const [, line, said] = /^(line [\d,]+): (.*)/s.exec(detail) ?? [];
  if (part === undefined || !line) return detail;
  const isItem = controls(card, "item").length;
  const name = isItem ? `item ${Number(part) + 1}` : decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");
  return said.startsWith(`${name} `) ? detail : `${line}, ${name}: ${said}`;
}

function barOf(card, output, follow) {
  const place = output[0].indexOf(`probability_${card.dataset.positive}`);
  return place < 0 ? "" : threshold(card, output.slice(1).map((cells) => Number(cells[place])), follow);
}

// The predictions come first, since a table may be wider than the screen. Numbers stand below each other by their ends,
// those of the predictions with equally long fractions.
function table(own, input) {
  const all = own.map((cells, row) => [...cells, ...(input[row]?.cells ?? [])]);
  const [head, ...lines] = all.map((cells, row) => make("tr", {}, ...cells.map((text) => make(row ? "td" : "th", { title: text }, text))));
  for (const [place, name] of [...head.children].entries()) {
    const cells = lines.map((line) => line.children[place]).filter((cell) => cell?.title);
    const isNew = place < own[0].length;
    const isNumber = cells.every(({ title }) => JSON_NUMBER.test(title));
    name.scope = "col";
    for (const cell of [name, ...cells]) cell.className = `${isNew ? "new" : ""} ${isNumber ? "number" : ""}`;
    if (isNew && isNumber) round(cells);
  }
  const inside = make("table", {}, make("thead", {}, head), make("tbody", {}, ...lines));
  return make("div", { className: "table", tabIndex: 0, role: "group", ariaLabel: "Predictions" }, inside);
}

function round(cells) {
  const digits = Math.max(0, ...cells.map(({ title }) => title.split(".")[1]?.length ?? 0));
  for (const cell of digits ? cells : []) {
    const number = Number(cell.title), fixed = number.toFixed(Math.min(digits, MAX_DIGITS));
    cell.textContent = number && !Number(fixed) ? number.toExponential(1) : fixed; // what is nearly nothing is not nothing
  }
}

// The records of a CSV (RFC 4180), each with its cells and its own text; lines that are empty are none.
function records(text, separator) {
  const found = [];
  let cells = [], cell = "", isQuoted = false, begin = 0;
  const end = (at) => {
    const raw = text.slice(begin, at).replace(/\r$/, "");
    if (raw) found.push({ raw, cells: [...cells, cell.replace(/\r$/, "")] });
    [cells, cell, begin] = [[], "", at + 1];
  };
  text = text.replace(/^\uFEFF/, "");
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '"' && isQuoted && text[at + 1] === '"') cell += text[at++];
    else if (character === '"' && (isQuoted || cell === "")) isQuoted = !isQuoted;
    else if (isQuoted) cell += character;
    else if (character === separator) cells.push(cell), (cell = "");
    else if (character === "\n") end(at);
    else cell += character;
  }
  end(text.length);
  return found;
}

// The separator with which the line names the most features, else makes the most columns, as the service chooses it.
function separatorOf(text, features) {
  const line = text.replace(/^\uFEFF/, "").split(/\r?\n/, 1)[0];
  const score = (separator) => {
    const names = line.split(separator).map((name) => name.replace(/^"|"$/g, ""));
    return 1e6 * features.filter((name) => names.includes(name)).length + names.length;
  };
  return SEPARATORS.reduce((best, one) => (score(one) > score(best) ? one : best));
}

function quoted(cell, separator) {
  return /["\r\n]/.test(cell) || cell.includes(separator) ? `"${cell.replaceAll('"', '""')}"` : cell;
}
