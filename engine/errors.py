"""Mistakes and failures as data: every mistake knows its place, and a message is a view of it."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal

Severity = Literal["error", "warning"]
Paint = Callable[[str, str], str]

EXCERPT_WIDTH = 120


class EngineError(Exception):
    """Anything the engine raises on purpose."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A stretch of one source line; `line` and `column` count from 1, and line 0 means the whole file."""

    file: str
    line: int = 0
    column: int = 0
    width: int = 1
    text: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    def excerpt(self, paint: Paint) -> list[str]:
        """Show the source line with the stretch underlined; a long line is shortened around it."""
        if not self.line:
            return []
        begin = max(0, self.column - 1 - EXCERPT_WIDTH // 2) if len(self.text) > EXCERPT_WIDTH else 0
        shown = self.text[begin : begin + EXCERPT_WIDTH]
        before = shown[: self.column - 1 - begin]
        under = shown[len(before) : len(before) + self.width]
        head = "…" if begin else ""
        tail = "…" if begin + EXCERPT_WIDTH < len(self.text) else ""
        indent = " " * len(head) + "".join(c if c == "\t" else " " * _cells(c) for c in before)
        carets = "^" * max(1, sum(map(_cells, under)))
        gutter = f"{self.line:5} | "
        return [
            paint(gutter, "dim") + f"{head}{printable(shown)}{tail}",
            paint(" " * 5 + " | ", "dim") + indent + paint(carets, "caret"),
        ]


@dataclass(frozen=True, slots=True, order=True)
class Diagnostic:
    """One mistake in a spec or in a file that it names: place, severity, and advice."""

    place: Place
    message: str
    severity: Severity = "error"

    def __str__(self) -> str:
        return f"{self.place}: {self.severity}: {printable(self.message)}"


class SpecError(EngineError):
    """A spec, or a file that it names, is wrong; `diagnostics` has every mistake, sorted by place."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(sorted(set(diagnostics)))
        super().__init__(self.diagnostics)

    def __str__(self) -> str:
        return render(self.diagnostics)


class ServeError(EngineError):
    """The server cannot start for a reason outside the spec, such as a port that is in use."""


class RefusedInstance(EngineError):
    """The model refuses an instance that its schema allows; `row` counts from 0.

    `key` is the feature that it refuses, by its name or its position in an array, None if unknown; `others` are refused
    with it; `are_all` says whether these are all of them, or only the first.
    """

    def __init__(
        self,
        row: int,
        reason: str,
        others: Iterable[RefusedInstance] = (),
        *,
        key: str | int | None = None,
        are_all: bool = True,
    ) -> None:
        self.row = row
        self.reason = reason
        self.key = key
        self.others = tuple(others)
        self.are_all = are_all
        super().__init__(f"instance {row}: {reason}")


class Overloaded(EngineError):
    """The service is overloaded; the same request may succeed a little later."""


def unpainted(text: str, style: str) -> str:  # noqa: ARG001 - the shape of every Paint
    """Leave a piece of a message without colour."""
    return text


def render(diagnostics: Sequence[Diagnostic], paint: Paint = unpainted) -> str:
    """Write diagnostics as compilers do: place, severity, message, source line, caret, and the count."""
    lines: list[str] = []
    for found in diagnostics:
        severity = paint(f"{found.severity}:", found.severity)
        lines.append(f"{paint(f'{found.place}:', 'place')} {severity} {printable(found.message)}")
        lines += found.place.excerpt(paint)
    errors = sum(found.severity == "error" for found in diagnostics)
    warnings = len(diagnostics) - errors
    counts = [plural(errors, "error")] * bool(errors) + [plural(warnings, "warning")] * bool(warnings)
    return "\n".join([*lines, ", ".join(counts)]) if lines else ""


def plural(count: int, noun: str) -> str:
    """Write a count with its noun: `1 error`, `2 errors`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def did_you_mean(word: str, known: Iterable[str], noun: str) -> str:
    """Suggest in parentheses the known word that was probably meant, or list the known words after `noun`."""
    names = sorted(set(known))
    lowered = {name.lower(): name for name in reversed(names)}
    near = difflib.get_close_matches(word.lower()[:100], lowered, n=1, cutoff=0.6)
    if near:
        return f'(did you mean "{lowered[near[0]]}"?)'
    if not names:
        return f"({noun}: none)"
    listed = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")  # noqa: PLR2004
    return f"({noun}: {listed})"


def begin_alike(one: str, other: str) -> int:
    """Count the characters with which both texts begin."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def printable(text: str) -> str:
    """Replace characters that could move a terminal's cursor or break a log line."""
    return "".join(c if c == "\t" or c.isprintable() else "�" for c in text)


def _cells(character: str) -> int:
    """Count the terminal cells that a character takes."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
