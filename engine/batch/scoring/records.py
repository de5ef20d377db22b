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
class Integers:
    """A column of integers, as an array of them, and where it has gaps, None where it has none."""

    values: Any
    gaps: Any

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, row: int) -> int | None:
        return None if self.gaps is not None and self.gaps[row] else self.values[row].item()

    def tolist(self) -> list[int | None]:
        """Return the integers, None for a gap."""
        listed: list[int | None] = self.values.tolist()
        for row in [] if self.gaps is None else self.gaps.nonzero()[0].tolist():
            listed[row] = None
        return listed

    def floats(self) -> Any:
        """Return the integers as floats, NaN for a gap."""
        floats = self.values.astype("float64")
        if self.gaps is not None:
            floats[self.gaps] = float("nan")
        return floats


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Some rows, as columns of cells.

    If `is_text`, a cell is a text that stands for a value, as in a CSV; an empty one stands for none. Otherwise it is a
    JSON value, `ABSENT`, or None, which means null if `has_nulls` and no value otherwise; a column of floats may be an
    array with NaN for no value, and one of integers may be `Integers`. `broken` says what is wrong with rows that could
    not be read.
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
