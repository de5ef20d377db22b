"""What keeps a file from being scored at all, unlike a bad row."""

from __future__ import annotations

from engine.errors import EngineError


class BatchError(EngineError):
    """A file cannot be read, does not fit the model, or cannot be written; the message says where and what to do."""


class Misfit(BatchError):
    """The columns of a file are not the model's; `advice` is what to do on a command line."""

    def __init__(self, reason: str, advice: str = "") -> None:
        self.reason = reason
        super().__init__(f"{reason}; {advice}" if advice else reason)


class Unreadable(Exception):
    """A block of a file cannot be read; `line` is where."""

    def __init__(self, line: int, reason: str) -> None:
        self.line = line
        self.reason = reason
        super().__init__(line, reason)


def column_taken(what: str) -> str:
    """Say that the input has a column of the name of a prediction."""
    return f"the input has {what} already; use --prefix to name the predictions differently"
