"""The beginning of a CSV: its separator, its columns, and whether they are the model's."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from engine.batch.csvblocks import CsvLayout
from engine.batch.errors import BatchError, Misfit
from engine.batch.layout import form_of
from engine.batch.parsed import MOST_RECORD_BYTES, Readable
from engine.batch.records import Key
from engine.errors import did_you_mean, plural
from engine.models.csvfile import read_cell
from engine.spec import Model
from engine.validation import clip, show

_SEPARATORS = ",;\t|"
_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_SHOWN = 6
_NO_HEADER = "use --no-header if the file has no such line"


@dataclass(frozen=True, slots=True)
class Expected:
    """What a model wants of a file: its features, those that are required, and the form of an instance."""

    form: str
    features: tuple[str, ...]
    required: frozenset[str]
    count: int | None

    @classmethod
    def of(cls, model: Model, count: int | None, known: Collection[str] = ()) -> Expected:
        """Read a model's input, of which `count` is the number of columns, and the `known` features are not needed."""
        document = model.input.document
        form = form_of(document)
        features = tuple(document.get("properties", {})) if form == "object" else ()
        required = frozenset(document.get("required", ())) - {*known} if form == "object" else frozenset[str]()
        return cls(form, features, required, count if form == "array" else None)


def open_csv(
    stream: Readable, name: str, expected: Expected, separator: str | None = None, *, has_header: bool = True
) -> tuple[CsvLayout, int, int, bytes]:
    """Read the first line of a CSV.

    Return its layout, the offset and the line where its rows begin, and the first line if it is a row itself. Raise
    `BatchError` for a file that is no CSV, or that does not fit the model.
    """
    first = stream.readline(MOST_RECORD_BYTES)
    if first.startswith(_UTF16):
        raise BatchError(f"{name}: the file is in UTF-16; save it as UTF-8")
    mark = first.startswith(_BOM)
    start = len(_BOM) if mark else 0
    if not first[start:].strip():
        raise BatchError(f"{name}: {'the file is empty' if not first else 'line 1 is empty'}; {_WANTED}")
    lines = [first[start:]]
    while _is_open(lines) and len(lines) < 1000 and (more := stream.readline(MOST_RECORD_BYTES)):  # noqa: PLR2004
        lines.append(more)
    try:
        text = b"".join(lines).decode()
    except UnicodeDecodeError:
        raise BatchError(f"{name}:1: this is not UTF-8; convert the file, or save it as UTF-8") from None
    ending = "\r\n" if text.endswith("\r\n") else "\n"
    if "\r" in text[:-2] and ending == "\n" and "\n" not in text[:-1]:
        raise BatchError(f'{name}: its lines end with "\\r" alone; save it with line ends of Unix or Windows')
    chosen = separator or _separator(text, expected)
    try:
        row = next(csv.reader([text], delimiter=chosen, strict=True))
    except csv.Error as error:
        raise BatchError(f"{name}:1: this is not a CSV: {error}") from None
    if not has_header:
        layout = CsvLayout(_nameless(row, expected, name), chosen, ending, mark)
        return _with_keys(layout, expected, name), start, 1, b"".join(lines)
    _require_header(row, expected, name)
    layout = CsvLayout(tuple(row), chosen, ending, mark)
    return _with_keys(layout, expected, name), start + len(b"".join(lines)), 1 + len(lines), b""


_WANTED = "its first line must name the columns"


def _is_open(lines: Sequence[bytes]) -> bool:
    """Whether a quote is still open after some lines: a name may have a line break in it."""
    return b"".join(lines).count(b'"') % 2 == 1


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
    values = [read_cell(cell) for cell in row if cell]
    is_row = bool(values) and all(not isinstance(value, str) for value in values)
    if is_row and not {*row} & {*expected.features}:
        shown = ", ".join(map(show, row[:_SHOWN])) + (", …" if len(row) > _SHOWN else "")
        raise Misfit(f"{name}:1: the first line is a row of values ({shown}), and must name the columns", _NO_HEADER)


def _with_keys(layout: CsvLayout, expected: Expected, name: str) -> CsvLayout:
    """Find the columns of an instance; raise `BatchError` where one is missing or ambiguous."""
    names = layout.names
    keys: dict[Key, str]
    if expected.form == "value":
        keys = {0: names[0]}
    elif expected.form == "array":
        if expected.count not in (None, len(names)):
            raise Misfit(
                f"{name}:1: the model takes {plural(expected.count or 0, 'feature')} by their order, and the file has "
                f"{plural(len(names), 'column')}: {', '.join(map(show, names[:_SHOWN]))}"
            )
        keys = dict(enumerate(names))
    else:
        keys = {feature: feature for feature in expected.features if feature in names}
        _require_columns(names, expected, name)
    twice = [one for one, count in Counter(names).items() if count > 1 and (one in keys.values() or not keys)]
    if twice:
        raise Misfit(f"{name}:1: {plural(Counter(names)[twice[0]], 'column')} are named {show(twice[0])}; rename them")
    return CsvLayout(names, layout.separator, layout.ending, layout.mark, keys)


def _require_columns(names: Collection[str], expected: Expected, name: str) -> None:
    missing = [feature for feature in expected.features if feature in expected.required and feature not in names]
    if not any(feature in names for feature in expected.features):
        found = ", ".join(show(one) for one in [*names][:_SHOWN])
        wanted = ", ".join(expected.features[:_SHOWN]) + (", …" if len(expected.features) > _SHOWN else "")
        raise Misfit(
            f"{name}:1: no column is a feature of the model; the columns are {found}, and the features are {wanted}"
        )
    if missing:
        others = [one for one in names if one not in expected.features]
        hints = {one: did_you_mean(one, others, "other columns") for one in missing[:10]}
        said = "\n".join(
            f'{name}:1: there is no column "{clip(one)}", which the model requires {hint}'
            for one, hint in hints.items()
        )
        rest = f"\nand {len(missing) - 10} more" if len(missing) > 10 else ""  # noqa: PLR2004
        raise Misfit(said + rest)


def absent(layout: CsvLayout, expected: Expected) -> list[str]:
    """Name the optional features that a file has no column for."""
    return [feature for feature in expected.features if feature not in layout.names and expected.form == "object"]


def read_separator(text: str) -> str:
    """Read a separator as people write it; raise `ValueError`."""
    named = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}
    separator = named.get(text.lower(), text)
    if not re.fullmatch(r'[^"\r\n\w]', separator):
        raise ValueError(text)
    return separator
