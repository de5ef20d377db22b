"""Run steps one after another, or side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Any

import numpy as np

from engine.models.data.array import Array
from engine.models.runtime.answer import Refusal
from engine.models.runtime.saved import saved_step
from engine.models.runtime.steps.checks import Check, Narrow
from engine.models.runtime.steps.columns import Arithmetic, Clip, FillTexts, Impute, Select

Step = Callable[[Any], Any]


def run(steps: tuple[Step, ...], rows: Any) -> Any:
    """Apply some steps to rows; a `Refusal` names the column of these rows."""
    failing: Step | None = None
    try:
        for failing in steps:
            rows = failing(rows)
    except Refusal as refusal:
        if refusal.column is not None:
            refusal.column = _origin([*takewhile(lambda step: step is not failing, steps)], refusal.column)
        raise
    return rows


def _origin(before: Sequence[Step], column: int) -> int | None:
    """Find the original of a column behind some steps, None if these do more than fill and select."""
    for step in reversed(before):
        if isinstance(step, Select):
            column = int(step.columns[column])
        elif not isinstance(step, Arithmetic | Check | Clip | FillTexts | Impute | Narrow):
            return None
    return column


@saved_step
class Concatenate:
    """Put the outputs of several programs for the same rows side by side."""

    branches: tuple[tuple[Step, ...], ...]

    def __call__(self, rows: Any) -> Array:
        return np.hstack([run(branch, rows) for branch in self.branches])


@saved_step
class Append:
    """Append the output of some steps to the rows, as another column."""

    steps: tuple[Step, ...]

    def __call__(self, rows: Array) -> Array:
        return np.hstack((rows, run(self.steps, rows)))
