"""What commands share: how they print, tables and JSON on stdout and all else on stderr, and their options."""

from __future__ import annotations

import io
import json
import math
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Self, TypeVar

import click
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from engine.diagnostics import Diagnostic, render_diagnostics
from engine.errors import EngineError, SpecError
from engine.spec import Spec
from engine.text import did_you_mean, plural

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
Command = TypeVar("Command", bound=Callable[..., object])
MAX_PORT = 65535
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def print_error(error: EngineError) -> None:
    """Print an error as compilers do."""
    if isinstance(error, SpecError):
        print_diagnostics(error.diagnostics)
    else:
        click.echo(f"{click.style('error:', fg='red', bold=True)} {error}", err=True)


@contextmanager
def show_progress() -> Iterator[Callable[[str], None]]:
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


def print_diagnostics(diagnostics: Sequence[Diagnostic]) -> None:
    """Print diagnostics, if there are any; click drops the colours where stderr is no terminal."""
    if diagnostics:
        click.echo(render_diagnostics(diagnostics, lambda text, style: click.style(text, **_STYLES[style])), err=True)


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


class Number(click.ParamType):  # type: ignore[type-arg]  # no generic in older versions
    """The type of an option that is a number in a range; a whole one, unless `read` is float."""

    name = "number"

    def __init__(self, least: int, most: int | None = None, read: Callable[[str], float] = int) -> None:
        self._least, self._most, self._read = least, most, read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read a number; raise `BadParameter`."""
        try:
            number = self._read(value)
        except ValueError:
            number = math.nan
        if self._least <= number and (self._most is None or number <= self._most):
            return number
        what = "a whole number" if self._read is int else "a number"
        wanted = (
            f"{what} of {self._least} or more" if self._most is None else f"{what} from {self._least} to {self._most}"
        )
        return self.fail(f'"{value}" is not {wanted}', param, ctx)


def spec_options(command: Command) -> Command:
    """Add -r and -m: which two files are the spec."""
    command = click.option(
        "-m",
        "--models",
        metavar="FILE",
        help="The models.  [default: models.yaml beside the routes, if it exists]",
    )(command)
    return click.option("-r", "--routes", metavar="FILE", default="routes.yaml", show_default=True, help="The routes.")(
        command
    )


def named_models(spec: Spec, names: Iterable[str]) -> tuple[str, ...]:
    """Return the models that a command's arguments name, all of them without any; raise `BadParameter` for another."""
    for name in names:
        if name not in spec.models:
            hint = did_you_mean(name, spec.models, "the models are")
            raise click.BadParameter(f'there is no model "{name}" {hint}', param_hint="MODEL")
    return tuple(names) or tuple(spec.models)


def without_file(spec: Spec, name: str, action: str) -> str:
    """Say why there is nothing to do with a model that has no file, and what to do instead."""
    parts = spec.models[name].parts
    if parts:
        return f'"{name}" has no file of its own; {action} a model that it asks: {", ".join(parts)}'
    return f'the file of "{name}" does not exist yet, and its examples answer; train it first'


def json_option(command: Command) -> Command:
    """Add --json, for programs."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def read_address(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[str, int] | None:
    """Read an option's host and port, such as 127.0.0.1:9000."""
    if value is None:
        return None
    found = re.fullmatch(r"(\[[^\[\]]+\]|[^:\[\]\s]+):(\d{1,5})", value, re.ASCII)
    if found is None or int(found[2]) > MAX_PORT:
        raise click.BadParameter(
            f'"{value}" is not an address with its port; write HOST:PORT, such as 127.0.0.1:9000 or [::1]:9000'
        )
    return found[1], int(found[2])


def read_duration(_context: click.Context, _option: click.Parameter, value: str) -> float:
    """Read an option's time with its unit, such as 10s, in seconds; 0 for never. Nothing between 0 and 1 second."""
    if value == "0":
        return 0.0
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h)", value)
    if found is None:
        raise click.BadParameter(f'"{value}" is not a duration; write a number and its unit: 1500ms, 10s, 2m or 1h')
    seconds = float(found[1]) * _UNITS[found[2]]
    if seconds < 1.0:
        raise click.BadParameter(f'"{value}" is too short; write 1s or more, or 0 for never')
    return seconds
