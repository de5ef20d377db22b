"""Steps that refuse the values that scikit-learn refuses."""

from __future__ import annotations

import numpy as np

from engine.models.data.array import Array
from engine.models.runtime.answer import HAS_NAN, TOO_LARGE, Refusal, Stopped, not_held
from engine.models.runtime.saved import saved_step


def _require_finite(rows: Array, missing: bool) -> None:
    if np.isfinite(rows.sum()):
        return
    if not missing and np.isnan(rows).any():
        raise Refusal(HAS_NAN)
    if np.isinf(rows).any():
        raise Refusal(TOO_LARGE.format(rows.dtype))


def as_floats(rows: Array) -> Array:
    """Make floats of integers, booleans or objects, as scikit-learn's own check of its input does."""
    try:
        return rows.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise Refusal(str(error)) from None


@saved_step
class Check:
    """Refuse the values that scikit-learn's input validation refuses: missing ones, unless `missing`; infinity."""

    missing: bool = False
    dtype: str = "float64"

    def __call__(self, rows: Array) -> Array:
        """Return the rows as floats; raise `Refusal`."""
        if rows.dtype.kind != "f":
            rows = as_floats(rows)
        _require_finite(rows if self.dtype == "float64" else rows.astype(self.dtype), self.missing)
        return rows


@saved_step
class Within:
    """Refuse values that are not between a column's bounds; missing ones pass."""

    low: Array
    high: Array
    message: str

    def __call__(self, rows: Array) -> Array:
        """Return the rows; raise `Refusal`."""
        if (rows < self.low).any() or (rows > self.high).any():
            raise Refusal(self.message)
        return rows


@saved_step
class Cast:
    """Make floats of any values, and refuse no float."""

    def __call__(self, rows: Array) -> Array:
        """Compute; raise `Refusal` for a value that is not a number."""
        return rows if rows.dtype.kind == "f" else as_floats(rows)


@saved_step
class Narrow:
    """Round to float32, as trees do, and check; the result is float64 again."""

    missing: bool = False

    def __call__(self, rows: Array) -> Array:
        """Return the rounded rows; raise `Refusal` for one that float32 cannot represent."""
        narrow = rows.astype(np.float32)
        _require_finite(narrow, self.missing)
        return narrow.astype(np.float64)


@saved_step
class RequireExact:
    """Refuse an integer in some columns that a narrower float than float64 would round."""

    columns: Array
    dtype: str

    def __call__(self, rows: Array) -> Array:
        """Return the rows; raise `Refusal`."""
        cells = rows[:, self.columns]
        rounded = (cells.astype(self.dtype) != cells) & (cells == cells)  # noqa: PLR0124 - NaN
        if rounded.any():
            row, place = np.argwhere(rounded)[0]
            raise not_held(cells[row, place].item(), self.dtype, int(self.columns[place]))
        return rows


@saved_step
class RequireColumns:
    """Stop if there are not so many columns: a graph's probabilities must be those of its classes."""

    count: int

    def __call__(self, chances: Array) -> Array:
        """Return them; raise `Stopped`."""
        if chances.ndim != 2 or chances.shape[1] != self.count:  # noqa: PLR2004
            found = " x ".join(map(str, chances.shape[1:])) or "no"
            raise Stopped(f"the graph gives {found} probabilities for {self.count} classes")
        return chances


@saved_step
class RequireClasses:
    """Stop if an answer is not one of the classes, which a graph need not declare."""

    classes: Array

    def __call__(self, answers: Array) -> Array:
        """Return them; raise `Stopped`."""
        unknown = ~np.isin(answers, self.classes)
        if unknown.any():
            raise Stopped(
                f"the graph answers {answers[unknown][0]!s}, which is none of its {len(self.classes)} classes"
            )
        return answers
