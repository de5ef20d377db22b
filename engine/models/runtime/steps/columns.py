"""Steps that compute columns from columns: cell by cell, by selecting, by multiplying."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.models.data.array import Array
from engine.models.runtime.saved import saved_step

_NEARLY_ZERO = 10 * float(np.finfo(np.float64).eps)  # as scikit-learn sees it


@saved_step
class Arithmetic:
    """Combine each column with a number: `function` names numpy's function.

    `in_place` keeps the dtype of the rows, as scalers do, which compute in place.
    """

    function: str
    by: Array
    in_place: bool = False

    def __call__(self, rows: Array) -> Array:
        computed: Array = getattr(np, self.function)(rows, self.by)
        return computed.astype(rows.dtype) if self.in_place and computed.dtype != rows.dtype else computed


@saved_step
class Elementwise:
    """Apply one of numpy's functions of one argument."""

    function: str

    def __call__(self, rows: Array) -> Array:
        computed: Array = getattr(np, self.function)(rows)
        return computed


@saved_step
class Clip:
    """Keep each value between two bounds."""

    low: float
    high: float

    def __call__(self, rows: Array) -> Array:
        return np.clip(rows, self.low, self.high)


@saved_step
class Powers:
    """Transform each column by a power, as Box and Cox do, or for numbers of either sign as Yeo and Johnson do."""

    powers: Array
    is_signed: bool

    def __call__(self, rows: Array) -> Array:
        """Compute, as scipy does."""
        made = np.empty_like(rows)
        for place, power in enumerate(self.powers.tolist()):
            cells = rows[:, place]
            if not self.is_signed:
                made[:, place] = np.log(cells) if power == 0 else np.expm1(power * np.log(cells)) / power
                continue
            size = np.log1p(np.abs(cells))
            positive, negative = (size if one == 0 else np.expm1(one * size) / one for one in (power, 2 - power))
            made[:, place] = np.where(cells >= 0, positive, -negative)
        return made


@saved_step
class Impute:
    """Replace NaN by a column's own value."""

    values: Array

    def __call__(self, rows: Array) -> Array:
        return np.where(np.isnan(rows), self.values, rows)


@saved_step
class FillTexts:
    """Replace a missing text by a column's own value."""

    values: Array

    def __call__(self, rows: Array) -> Array:
        gaps = rows != rows  # noqa: PLR0124 - only NaN differs from itself
        return np.where(gaps.astype(bool), self.values, rows)


@saved_step
class Select:
    """Take some columns, in an order, of an array, or of columns that are apart (those of a table too).

    `apart` keeps the columns of a table from becoming one array, which would make floats of integers.
    """

    columns: Array
    apart: bool = False

    def __call__(self, rows: Any) -> Any:
        if isinstance(rows, dict | list):
            cells = rows if isinstance(rows, list) else list(rows.values())
            chosen = [cells[column] for column in self.columns]
            return chosen if self.apart else np.column_stack(chosen)
        return rows[:, self.columns]


@saved_step
class Products:
    """Multiply columns: `factors` has the column numbers of each product at the end of a row, -1 before them."""

    factors: Array

    def __call__(self, rows: Array) -> Array:
        """Compute, from the last factor to the first, as PolynomialFeatures does."""
        padded = np.column_stack((rows, np.ones(len(rows))))
        products = padded[:, self.factors[:, -1]]
        for place in range(self.factors.shape[1] - 2, -1, -1):
            products = padded[:, self.factors[:, place]] * products
        return products


@saved_step
class Dot:
    """Multiply by a matrix, or by a vector."""

    matrix: Array
    transposed: bool = False

    def __call__(self, rows: Array) -> Array:
        """Compute; the matrix is laid out in memory as in scikit-learn, so that BLAS sums in the same order."""
        return rows @ (self.matrix.T if self.transposed else self.matrix)


@saved_step
class Ravel:
    """Flatten a single column to (n,)."""

    def __call__(self, rows: Array) -> Array:
        return rows.ravel()


@saved_step
class Squeeze:
    """Flatten (n, 1) to (n,)."""

    def __call__(self, rows: Array) -> Array:
        return rows.ravel() if rows.ndim > 1 and rows.shape[1] == 1 else rows


@saved_step
class LastColumn:
    """Take the last column, which is the relevant one of a binary decision function in two columns."""

    def __call__(self, rows: Array) -> Array:
        return rows if rows.ndim == 1 else rows[:, -1]


@saved_step
class AsColumn:
    """Make a column of shape (n, 1) from (n,)."""

    def __call__(self, rows: Array) -> Array:
        return rows.reshape(-1, 1)


@saved_step
class RowSums:
    """Sum each row."""

    def __call__(self, rows: Array) -> Array:
        computed: Array = rows.sum(axis=1)
        return computed


@saved_step
class Length:
    """Divide each row by its length, if that is not nearly 0: its sum ("l1"), its root ("l2") or its "max"."""

    norm: str

    def __call__(self, rows: Array) -> Array:
        """Compute, as Normalizer does."""
        if self.norm == "l2":
            lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
        else:
            sizes = np.abs(rows)
            lengths = sizes.sum(axis=1) if self.norm == "l1" else sizes.max(axis=1)
        computed: Array = rows / np.where(lengths < _NEARLY_ZERO, 1.0, lengths).reshape(-1, 1)
        return computed


@saved_step
class Pick:
    """Take one of a graph's outputs."""

    output: int

    def __call__(self, outputs: Any) -> Array:
        computed: Array = outputs[self.output]
        return computed


@saved_step
class Join:
    """Put some of a graph's outputs side by side, each as a column or as several."""

    outputs: tuple[int, ...]

    def __call__(self, outputs: Any) -> Array:
        parts = [outputs[place].reshape(len(outputs[place]), -1) for place in self.outputs]
        return np.hstack(parts)
