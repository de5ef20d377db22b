"""Warnings of libraries, each shown once: scikit-learn resets Python's own memory of them with every call."""

from __future__ import annotations

import warnings
from typing import Any, TextIO


class _Once:
    """Shows a warning of a kind only the first time at a place in the code."""

    def __init__(self) -> None:
        self._show = warnings.showwarning
        self._seen: set[tuple[Any, str, int]] = set()

    def __call__(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        """Show a warning that was not shown before."""
        where = (category, filename, lineno)
        if where not in self._seen:
            self._seen.add(where)
            self._show(message, category, filename, lineno, file, line)


def show_warnings_once() -> None:
    """Make this process show each warning once, whatever the filters do."""
    if not isinstance(warnings.showwarning, _Once):
        warnings.showwarning = _Once()
