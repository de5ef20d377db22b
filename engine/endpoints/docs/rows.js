// Scores a CSV that somebody drops on a model: a table of its first rows with their predictions, and all for download.

import { make, reasons, threshold } from "./answer.js";
import { parsed, url } from "./request.js";

const SHOWN_ROWS = 50;
const SHOWN_FAULTS = 20;
const SEPARATORS = [",", ";", "\t", "|"];

export function acceptRows(card, headersOf) {
  const area = card.querySelector("[data-drop]");
  const input = area.querySelector("input");
  input.addEventListener("change", () => take(input.files[0]));
  area.addEventListener("dragover", (event) => {
    event.preventDefault();
    area.classList.add("over");
  });
  area.addEventListener("dragleave", () => area.classList.remove("over"));
  area.addEventListener("drop", (event) => {
    event.preventDefault();
    area.classList.remove("over");
    take(event.dataTransfer.files[0]);
  });

  async function take(file) {
    input.value = ""; // so that the same file can be chosen again
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
  const output = records(text, ",");
  // Where the lines do not match one to one, as with a file that has no line of names, predictions stand alone.
  const both = input.length === output.length ? input.map(({ cells }, row) => [...cells, ...output[row].cells]) : undefined;
  const rows = both ?? output.map(({ cells }) => cells);
  const separator = both ? between : ",";
  const ending = sent.includes("\r\n") ? "\r\n" : "\n";
  const lines = both ? input.map(({ raw }, row) => [raw, ...output[row].cells.map((cell) => quoted(cell, separator))].join(separator)) : [text];
  const name = file.name.replace(/\.\w+$/, "");
  const mark = both && /^\uFEFF/.test(sent) ? "\uFEFF" : "";
  const blob = new Blob([both ? `${mark}${lines.join(ending)}${ending}` : text], { type: "text/csv" });
  const link = make("a", { href: URL.createObjectURL(blob), download: `${name}-scored.csv` }, `Download ${name}-scored.csv`);
  say(card, `${rows.length - 1} ${rows.length === 2 ? "row" : "rows"} of ${file.name} scored`);
  const more = rows.length - 1 > SHOWN_ROWS ? make("p", { className: "quiet" }, `The first ${SHOWN_ROWS} rows are shown.`) : "";
  card.querySelector("[data-table]").replaceChildren(make("p", {}, link), barOf(card, output), more, table(rows, rows[0].length - output[0].cells.length));
}

function say(card, text, ...more) {
  const before = card.querySelector("[data-table] a");
  if (before) URL.revokeObjectURL(before.href);
  card.querySelector("[data-scored]").replaceChildren(make("p", { className: "scored" }, text), ...more);
  card.querySelector("[data-table]").replaceChildren();
}

function refuse(card, got, problem) {
  const faults = (problem?.errors ?? []).map(({ detail }) => make("li", { dir: "auto" }, detail));
  const list = faults.length ? make("ul", {}, ...faults.slice(0, SHOWN_FAULTS)) : "";
  say(card, problem?.title ?? `${got.status} ${got.statusText}`, ...reasons(got, problem), list);
}

function barOf(card, output) {
  const place = output[0].cells.indexOf(`probability_${card.dataset.positive}`);
  return place < 0 ? "" : threshold(card, output.slice(1).map(({ cells }) => Number(cells[place])));
}

// The predictions come first, since a table may be wider than the screen, and without digits that nobody reads.
function table(rows, own) {
  const turned = (cells, cellOf) => [...cells.slice(own).map((cell) => cellOf(cell, "new")), ...cells.slice(0, own).map((cell) => cellOf(cell, ""))];
  const head = turned(rows[0], (name, className) => make("th", { scope: "col", className }, name));
  const lines = rows.slice(1, 1 + SHOWN_ROWS).map((cells) =>
    make("tr", {}, ...turned(cells, (cell, className) => make("td", { className, title: cell }, className ? short(cell) : cell))),
  );
  const inside = make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...lines));
  return make("div", { className: "table", tabIndex: 0, role: "group", ariaLabel: "Predictions" }, inside);
}

function short(cell) {
  return /^-?\d+\.\d{5,}(e-?\d+)?$/i.test(cell) ? String(Number(Number(cell).toPrecision(4))) : cell;
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
