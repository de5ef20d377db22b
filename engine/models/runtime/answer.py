"""A runtime's answer, and how it refuses rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.schema import show


@dataclass(slots=True)
class Answer:
    """A runtime's answer for some rows: `result` by the response method, `probabilities` by class."""

    result: list[Any]
    probabilities: list[list[float]] | None = None


HAS_NAN = "Input X contains NaN."


TOO_LARGE = "Input X contains infinity or a value too large for dtype('{}')."


class Refusal(Exception):
    """The model does not accept one of the rows; the message is scikit-learn's own.

    If that names a column of an encoder's own input, `column` is the model's column, None if unknown.
    """

    def __init__(self, message: str, column: int | None = None) -> None:
        self.column = column
        super().__init__(message)


def not_held(value: Any, dtype: str, column: int | None) -> Refusal:
    """Refuse a number that a dtype cannot hold; the number of its column becomes the feature's name in the answer."""
    return Refusal(f"{dtype} cannot hold {show(value)}" + ("" if column is None else f" in column {column}"), column)


class Foreign(Refusal):
    """A library below the estimator raised an error about a value; it is our fault if no row fails alone."""


class Stopped(Refusal):
    """The model's own computation fails on the values of a row, after all checks of the input have passed."""


Runtime = Callable[[Any], Answer]
"""Rows, as `Columns.convert` makes them, to their answer; raises `Refusal`. Any number of threads may call it."""
