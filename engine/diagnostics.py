"""Mistakes as data: every mistake knows its place, and a message is a view of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from engine.text import make_printable, plural, terminal_cells

Severity = Literal["error", "warning"]
Paint = Callable[[str, str], str]

EXCERPT_WIDTH = 120


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A stretch of one source line; `line` and `column` count from 1, and line 0 means the whole file.

    `via` says why the file is read, if it is not one of the spec's own: where it is included, and where that file is.
    """

    file: str
    line: int = 0
    column: int = 0
    width: int = 1
    text: str = ""
    via: tuple[str, ...] = field(default=(), compare=False)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    def excerpt(self, paint: Paint) -> list[str]:
        """Show the source line with the stretch underlined; a long line is shortened around it."""
        if not self.line or (self.text and not self.text.strip("\ufffd")):  # bytes of a file that is no text
            return []
        begin = max(0, self.column - 1 - EXCERPT_WIDTH // 2) if len(self.text) > EXCERPT_WIDTH else 0
        shown = self.text[begin : begin + EXCERPT_WIDTH]
        before = shown[: self.column - 1 - begin]
        under = shown[len(before) : len(before) + self.width]
        head = "…" if begin else ""
        tail = "…" if begin + EXCERPT_WIDTH < len(self.text) else ""
        indent = " " * len(head) + "".join(c if c == "\t" else " " * terminal_cells(c) for c in before)
        carets = "^" * max(1, sum(map(terminal_cells, under)))
        gutter = f"{self.line:5} | "
        return [
            paint(gutter, "dim") + f"{head}{make_printable(shown)}{tail}",
            paint(" " * 5 + " | ", "dim") + indent + paint(carets, "caret"),
        ]


@dataclass(frozen=True, slots=True, order=True)
class Diagnostic:
    """One mistake in a spec or in a file that it names: place, severity, and advice."""

    place: Place
    message: str
    severity: Severity = "error"

    def __str__(self) -> str:
        return f"{self.place}: {self.severity}: {make_printable(self.message)}"


def render_diagnostics(diagnostics: Sequence[Diagnostic], paint: Paint = lambda text, _: text) -> str:
    """Write diagnostics as compilers do: place, severity, message, source line, caret, and the count."""
    lines: list[str] = []
    for found in diagnostics:
        severity = paint(f"{found.severity}:", found.severity)
        lines.append(f"{paint(f'{found.place}:', 'place')} {severity} {make_printable(found.message)}")
        lines += found.place.excerpt(paint)
        lines += [paint(" " * 5 + " = ", "dim") + make_printable(step) for step in found.place.via]
    errors = sum(found.severity == "error" for found in diagnostics)
    warnings = len(diagnostics) - errors
    counts = [plural(errors, "error")] * bool(errors) + [plural(warnings, "warning")] * bool(warnings)
    return "\n".join([*lines, ", ".join(counts)]) if lines else ""
