"""Steps that turn categories and ranges of numbers into numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.models.predictor import Refusal
from engine.models.trees import Array


@dataclass(frozen=True, slots=True, eq=False)
class OneHot:
    """Turn each column of categories into columns of 0 and 1; `ignore` lets the unknown be all 0."""

    categories: tuple[Array, ...]
    dropped: tuple[int, ...]
    ignore: bool

    def __call__(self, rows: Array | list[Array]) -> Array:
        """Compute; raise `Refusal` for an unknown category."""
        blocks = []
        for column, (known, dropped) in enumerate(zip(self.categories, self.dropped, strict=True)):
            found = _positions(rows[column] if isinstance(rows, list) else rows[:, column], known)
            if not self.ignore and (found < 0).any():
                raise Refusal(f"Found unknown categories in column {column} during transform", column)
            block = (found[:, None] == np.arange(len(known))).astype(np.float64)
            blocks.append(np.delete(block, dropped, axis=1) if dropped >= 0 else block)
        return np.hstack(blocks)


def _positions(cells: Array, known: Array) -> Array:
    """Find each cell among the known categories, -1 where it is none of them; NaN is found as itself."""
    index = {("nan" if value != value else value): place for place, value in enumerate(known.tolist())}  # noqa: PLR0124
    return np.array([index.get("nan" if cell != cell else cell, -1) for cell in cells.tolist()])  # noqa: PLR0124
