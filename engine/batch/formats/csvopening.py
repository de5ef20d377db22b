"""The beginning of a CSV: its separator and its columns."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

from engine.batch.formats.csvblocks import CsvLayout, explain_csv
from engine.batch.formats.expected import Expected
from engine.batch.formats.parsed import MOST_RECORD_BYTES, Readable
from engine.batch.scoring_errors import BatchError, Misfit
from engine.models.data.csv_file import MOST_NAMED, read_cell
from engine.schema import show
from engine.text import first_words, plural

_SEPARATORS = ",;\t|"
_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_NO_HEADER = "use --no-header if the file has no such line"


def open_csv(
    stream: Readable, name: str, expected: Expected, separator: str | None = None, *, has_header: bool = True
) -> tuple[CsvLayout, int, int, bytes]:
    """Read the first line of a CSV.

    Return its layout, the offset and the line where its rows begin, and the first line if it is a row itself. Raise
    `BatchError` for a file that is no CSV, or that does not fit the model.
    """
    lines = _first_lines(stream)
    first = lines[0]
    if first.startswith(_UTF16):
        raise BatchError(f"{name}: the file is in UTF-16; save it as UTF-8")
    mark = first.startswith(_BOM)
    start = len(_BOM) if mark else 0
    if not first[start:].strip():
        found, wanted = "the file is empty" if not first else "line 1 is empty", _WANTED if has_header else _NO_ROWS
        raise BatchError(f"{name}: {found}; {wanted}")
    if sum(map(len, lines)) >= MOST_RECORD_BYTES:
        most = MOST_RECORD_BYTES // 1024**2
        raise BatchError(f"{name}:1: the first line is longer than {most} MiB, or a closing quote is missing")
    lines[0] = first[start:]
    try:
        text = b"".join(lines).decode()
    except UnicodeDecodeError:
        raise BatchError(f"{name}:1: this is not UTF-8; convert the file, or save it as UTF-8") from None
    ending = "\r\n" if text.endswith("\r\n") else "\n"
    if "\r" in text[:-2] and ending == "\n" and "\n" not in text[:-1]:
        raise BatchError(f'{name}: its lines end with "\\r" only; save it with Unix or Windows line endings')
    chosen = separator or _separator(text, expected)
    try:
        row = next(csv.reader([text], delimiter=chosen, strict=True))
    except csv.Error as error:
        raise BatchError(f"{name}:1: {explain_csv(error)}") from None
    if has_header:
        _require_header(row, expected, name)
    names = tuple(row) if has_header else _nameless(row, expected, name)
    layout = CsvLayout(names, chosen, ending, mark, expected.keys_in(names, f"{name}:1"))
    read = b"".join(lines)
    return (layout, start + len(read), 1 + len(lines), b"") if has_header else (layout, start, 1, read)


_WANTED = "its first line must name the columns"
_NO_ROWS = "its first line must be a row"


def _first_lines(stream: Readable) -> list[bytes]:
    """Read the first line, and those that it goes on in: a name in quotes may have line breaks."""
    lines, size, is_open = [stream.readline(MOST_RECORD_BYTES)], 0, False
    while True:
        size += len(lines[-1])
        is_open ^= lines[-1].count(b'"') % 2 == 1
        if not is_open or not (more := stream.readline(MOST_RECORD_BYTES - size)):
            return lines
        lines.append(more)


def _separator(text: str, expected: Expected) -> str:
    """Find the separator with which the line names the most features, else makes the most columns."""

    def score(separator: str) -> tuple[int, int]:
        names = [name.strip('"') for name in text.rstrip("\r\n").split(separator)]
        return len({*names} & {*expected.features}), len(names)

    found = max(_SEPARATORS, key=score)
    if expected.form == "value" and score(found)[1] > 1 and "," not in text:
        return found
    return found if score(found) > (0, 1) else ","


def _nameless(row: Sequence[str], expected: Expected, name: str) -> tuple[str, ...]:
    """Name the columns of a file without a header: the features in the order of the input."""
    if expected.form == "object" and len(row) != len(expected.features):
        raise Misfit(
            f"{name}:1: the row has {plural(len(row), 'cell')}, and the model's input has "
            f"{plural(len(expected.features), 'feature')}: {', '.join(expected.features)}"
        )
    return (
        expected.features if expected.form == "object" else tuple(f"column_{place}" for place in range(1, len(row) + 1))
    )


def _require_header(row: Sequence[str], expected: Expected, name: str) -> None:
    """Raise `BatchError` for a first line that does not name the columns."""
    are_texts = [isinstance(read_cell(cell), str) for cell in row if cell]
    is_row = bool(are_texts) and not (all if expected.form == "object" else any)(are_texts)
    if is_row and not {*row} & {*expected.features}:
        shown = first_words([*map(show, row)], MOST_NAMED)
        raise Misfit(f"{name}:1: the first line is a row of values ({shown}), and must name the columns", _NO_HEADER)


def read_separator(text: str) -> str:
    """Read a separator as people write it; raise `ValueError`."""
    named = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}
    separator = named.get(text.lower(), text)
    if not re.fullmatch(r'[^"\r\n\w]', separator):
        raise ValueError(text)
    return separator
