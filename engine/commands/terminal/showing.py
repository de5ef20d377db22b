"""How far a long run is: a bar on a terminal, and a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

from engine.text import plural

_CLEAR_LINE = "\r\x1b[2K"
_BAR = 24
_BAR_SECONDS, _LINE_SECONDS = 0.2, 10.0


class Shown:
    """The progress of one file, on stderr."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._is_terminal = sys.stderr.isatty()
        self._begin = self._last = time.monotonic()
        self._first: int | None = None

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


@contextmanager
def showing(name: str) -> Iterator[Shown]:
    """Show how far a file is, until all of it was scored."""
    shown = Shown(name)
    try:
        yield shown
    finally:
        shown.clear()
