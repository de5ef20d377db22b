"""What goes into the scoring of many rows and what comes out, whatever file or wire the rows are on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

Key = str | int
"""A feature's name, or its place where an instance is an array; 0 where it is a value by itself."""


class _Absent:
    """The type of `ABSENT`."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()
"""A cell of a record that lacks the column, which is not the same as null in JSON."""


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Some rows, as columns of cells.

    If `is_text`, a cell is a text that stands for a value, as in a CSV; an empty one stands for none. Otherwise it is a
    JSON value, `ABSENT`, or None, which means null if `has_nulls` and no value otherwise; a column of floats may be an
    array with NaN for no value. `broken` says what is wrong with rows that could not be read.
    """

    columns: Mapping[Key, Sequence[Any]]
    count: int
    is_text: bool = False
    has_nulls: bool = False
    broken: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BadRow:
    """One thing that is wrong with a row, which counts from 0 in its batch; without a `column` it is about the row."""

    row: int
    reason: str
    column: str = ""
    value: Any = None


@dataclass(frozen=True)
class Scored:
    """The predictions for a batch: each list has an entry for each row, None for a bad one.

    `probabilities` is an array of float64 with a column for each class; the rows of bad rows mean nothing.
    """

    result: list[Any]
    probabilities: Any = None
    labels: list[str | None] | None = None
    bad: list[BadRow] = field(default_factory=list)

    @cached_property
    def bad_rows(self) -> frozenset[int]:
        """The rows that have no prediction."""
        return frozenset(one.row for one in self.bad)

    def before(self, row: int) -> Scored:
        """Return the predictions for the rows before one of them, which are not bad."""
        chances = None if self.probabilities is None else self.probabilities[:row]
        return Scored(self.result[:row], chances, None if self.labels is None else self.labels[:row])
