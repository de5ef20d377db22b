"""What goes into the scoring of many rows and what comes out, whatever file or wire the rows are on.

Predictions become columns: `PredictionColumns` has their names, and their values for a batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from engine.spec import Model

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
        return frozenset(one.row for one in self.bad)

    def before(self, row: int) -> Scored:
        """Return the predictions for the rows before one of them, which are not bad."""
        chances = None if self.probabilities is None else self.probabilities[:row]
        return Scored(self.result[:row], chances, None if self.labels is None else self.labels[:row])


@dataclass(frozen=True, slots=True)
class PredictionColumns:
    """The names: one for each value of a result, then that of the label, then one for each class's probability."""

    results: tuple[str, ...]
    label: str | None
    probabilities: tuple[str, ...]
    types: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        model: Model,
        keys: Sequence[str],
        lengths: Sequence[int],
        prefix: str = "",
        types: frozenset[str] = frozenset(),
    ) -> PredictionColumns:
        """Name the columns of a model's predictions, each with a prefix.

        `keys` are what probabilities are called, `lengths` those of the lists that a result is, and `types` the JSON
        types of its values, none where they are not known.
        """
        count = lengths[0] if len(lengths) == 1 else None
        results = [f"prediction_{number}" for number in range(1, count + 1)] if count else ["prediction"]
        chances = [f"probability_{key}" for key in keys] if model.output.probabilities else []
        return cls(
            tuple(prefix + name for name in results),
            f"{prefix}label" if model.output.labels is not None else None,
            tuple(prefix + name for name in chances),
            types,
        )

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.results, *([self.label] if self.label is not None else []), *self.probabilities)

    def results_of(self, scored: Scored) -> list[Sequence[Any]]:
        """Return the columns of the results; a bad row has None in each of them."""
        if self.results[0].endswith("prediction"):
            return [scored.result]
        nothing = [None] * len(self.results)
        return list(zip(*(one if isinstance(one, list) else nothing for one in scored.result), strict=True))

    def columns_of(self, scored: Scored) -> list[Sequence[Any]]:
        """Return all columns; a bad row has None in each of them."""
        columns = self.results_of(scored)
        if self.label is not None:
            columns.append(scored.labels or [])
        if self.probabilities:
            chances = [*map(list, zip(*_listed(scored.probabilities), strict=True))]
            columns += (
                [
                    [None if row in scored.bad_rows else chance for row, chance in enumerate(column)]
                    for column in chances
                ]
                if scored.bad_rows
                else chances
            )
        return columns


def _listed(rows: Any) -> list[list[float]]:
    return rows if isinstance(rows, list) else rows.tolist()
