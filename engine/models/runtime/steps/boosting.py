"""Steps around the trees of XGBoost, LightGBM, CatBoost and InterpretML, with the same bits as their C++.

`exp` names the exponential that a library calls: "single" is that of float32, in which XGBoost computes everything.
"""

from __future__ import annotations

import numpy as np

from engine.models.data.array import Array
from engine.models.runtime.saved import saved_step
from engine.models.runtime.steps.checks import as_floats
from engine.models.runtime.steps.exponentials import EXPONENTIALS

_SINGLE_MOST = np.float32(88.7)  # beyond which XGBoost's sigmoid does not go
_SINGLE_LEAST = np.float32(1e-16)


@saved_step
class WholeAsSingle:
    """Make floats of the rows; those that are not floats yet are rounded to float32, as these libraries do."""

    def __call__(self, rows: Array) -> Array:
        """Compute; raise `Refusal` for a value that is not a number."""
        return rows if rows.dtype.kind == "f" else as_floats(rows).astype(np.float32)


@saved_step
class Single:
    """Make float32 of sums that are numbers of float32 already."""

    def __call__(self, rows: Array) -> Array:
        return rows.astype(np.float32)


@saved_step
class Exponential:
    """Apply the exponential."""

    exp: str = "libm"

    def __call__(self, rows: Array) -> Array:
        return EXPONENTIALS[self.exp](rows)


@saved_step
class Sigmoid:
    """Turn scores into probabilities, one by one: 1 / (1 + exp(-slope x))."""

    slope: float = 1.0

    def __call__(self, rows: Array) -> Array:
        return 1 / (1 + EXPONENTIALS["libm"](-self.slope * rows))


@saved_step
class Odds:
    """Turn scores into probabilities, one by one, by way of their odds: exp(x) / (exp(x) + 1)."""

    exp: str = "vectorclass"

    def __call__(self, rows: Array) -> Array:
        odds = EXPONENTIALS[self.exp](rows)
        return np.where(np.isposinf(odds), 1.0, odds / (odds + 1.0))


@saved_step
class SingleSigmoid:
    """Turn scores into probabilities, one by one, in float32."""

    def __call__(self, rows: Array) -> Array:
        return 1 / (EXPONENTIALS["single"](np.minimum(-rows, _SINGLE_MOST)) + np.float32(1) + _SINGLE_LEAST)


@saved_step
class SoftMaximum:
    """Turn the scores of several classes into probabilities; the sum of each row is added up from left to right."""

    exp: str = "libm"

    def __call__(self, rows: Array) -> Array:
        powers = EXPONENTIALS[self.exp](rows - rows.max(axis=1, keepdims=True))
        sums = np.cumsum(powers, axis=1, dtype=np.float64)[:, -1:]
        computed: Array = powers / sums.astype(powers.dtype)
        return computed
