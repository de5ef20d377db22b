"""How commands print: tables and JSON on stdout; mistakes, coloured on a terminal, and progress on stderr."""

from __future__ import annotations

import io
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Self

import click
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from engine.diagnostics import Diagnostic, render
from engine.errors import EngineError, SpecError
from engine.text import plural

_STYLES: dict[str, dict[str, Any]] = {
    "caret": {"fg": "green", "bold": True},
    "dim": {"dim": True},
    "error": {"fg": "red", "bold": True},
    "place": {"bold": True},
    "warning": {"fg": "magenta", "bold": True},
}
_UNWRAPPED = 100_000
# A column may be as narrow as this, if its cells are wider; and this is between two columns.
_READABLE = 28
_GAP = 3
_CLEAR_LINE = "\r\x1b[2K"
_BAR = 24
_BAR_SECONDS, _LINE_SECONDS = 0.2, 10.0


def fail(error: EngineError) -> None:
    """Print an error as compilers do."""
    if isinstance(error, SpecError):
        report(error.diagnostics)
    else:
        click.echo(f"{click.style('error:', fg='red', bold=True)} {error}", err=True)


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Return what says, in one line of a terminal, what takes its time; the line is cleared at the end."""
    shown = sys.stderr.isatty()

    def show(text: str) -> None:
        if shown:
            click.echo(f"{_CLEAR_LINE}{text} …", err=True, nl=False)

    try:
        yield show
    finally:
        if shown:
            click.echo(_CLEAR_LINE, err=True, nl=False)


def print_without_waiting(text: str) -> None:
    """Print a text while others work: standard output may be a pipe that nobody reads.

    A thread writes past Python's own buffer, whose lock it would else hold at the end of the process.
    """
    try:
        descriptor = sys.stdout.fileno()
    except (AttributeError, io.UnsupportedOperation):
        click.echo(text)
        return

    def write() -> None:
        with suppress(OSError):
            os.write(descriptor, f"{text}\n".encode())

    threading.Thread(target=write, name="print", daemon=True).start()


def report(diagnostics: Sequence[Diagnostic]) -> None:
    """Print diagnostics, if there are any; click drops the colours where stderr is no terminal."""
    if diagnostics:
        click.echo(render(diagnostics, lambda text, style: click.style(text, **_STYLES[style])), err=True)


def print_json(value: Any) -> None:
    """Print a value as JSON for people and programs alike."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], piped_width: int = _UNWRAPPED) -> None:
    """Print a table; where a terminal is too narrow for it, a block of lines for each row.

    Elsewhere than on a terminal, every row is one line, unless that is wider than `piped_width`.
    """
    rows = list(rows)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = piped_width
    widths = [max(map(cell_len, (column, *(row[number] for row in rows)))) for number, column in enumerate(columns)]
    between = _GAP * (len(columns) - 1)
    if sum(min(width, _READABLE) for width in widths) + between <= console.width:
        console.print(_table(columns, rows, widths))
        return
    for row in rows:
        console.print(Text(row[0], style="bold"), _block(columns[1:], row[1:]), sep="\n")


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], widths: Sequence[int]) -> Table:
    """Make a table in which the cells of wide columns wrap."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for column, width in zip(columns, widths, strict=True):
        table.add_column(column, min_width=min(_READABLE, width))
    for row in rows:
        table.add_row(*(Text(cell, overflow="fold") for cell in row))
    return table


def _block(columns: Sequence[str], row: Sequence[str]) -> Table:
    """Make a block of one row, with a line for each cell that is not empty."""
    block = Table.grid(padding=(0, 2))
    for column, cell in zip(columns, row, strict=True):
        if cell:
            block.add_row(f"  {column}", Text(cell, overflow="fold"))
    return block


class Shown:
    """How far a file is, until all of it was scored: a bar on a terminal, and a line now and then elsewhere."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._is_terminal = sys.stderr.isatty()
        self._begin = self._last = time.monotonic()
        self._first: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def tell(self, rows: int, position: int | None, size: int | None) -> None:
        """Hear how far it is: the rows that were scored, and the bytes of the file that were read."""
        if self._first is None:
            self._first = rows
        now = time.monotonic()
        if now - self._last < (_BAR_SECONDS if self._is_terminal else _LINE_SECONDS):
            return
        self._last = now
        share = min(1.0, position / size) if position is not None and size else None
        text = f"{self._name}: {plural(rows, 'row')}, {self.rate(rows - self._first)}{self._left(share)}"
        if self._is_terminal:
            click.echo(f"{_CLEAR_LINE}{_bar(share)}{text}", err=True, nl=False)
        else:
            click.echo(text, err=True)

    def rate(self, rows: int) -> str:
        """Say how many rows a second were scored."""
        seconds = max(time.monotonic() - self._begin, 1e-3)
        return f"{rows / seconds:,.0f} rows/s"

    def clear(self) -> None:
        if self._is_terminal:
            click.echo(_CLEAR_LINE, err=True, nl=False)

    def _left(self, share: float | None) -> str:
        if not share:
            return ""
        left = round((time.monotonic() - self._begin) * (1 - share) / share)
        hours, minutes, seconds = left // 3600, left // 60 % 60, left % 60
        shown = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
        return f", {share:.0%}, {shown} left"


def _bar(share: float | None) -> str:
    if share is None:
        return ""
    full = round(share * _BAR)
    return f"[{'#' * full}{'.' * (_BAR - full)}] "
