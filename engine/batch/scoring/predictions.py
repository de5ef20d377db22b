"""The columns that predictions become: their names, and their values for a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.batch.scoring.records import Scored
from engine.spec import Model


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
