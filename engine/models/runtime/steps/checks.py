"""Steps that refuse the values that scikit-learn refuses."""

from __future__ import annotations

import numpy as np

from engine.models.data.array import Array
from engine.models.runtime.answer import HAS_NAN, TOO_LARGE, Refusal
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
