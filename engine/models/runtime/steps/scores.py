"""Steps from scores to probabilities and classes, and from the members of an ensemble to its answer."""

from __future__ import annotations

import numpy as np

from engine.models.data.array import Array
from engine.models.runtime.saved import saved_step
from engine.models.runtime.steps.exponentials import EXPONENTIALS

ROUNDING = 1e-5  # a calibrated probability may exceed 1 by this much


@saved_step
class Softmax:
    """Turn scores into probabilities as scikit-learn's `softmax` does."""

    def __call__(self, rows: Array) -> Array:
        rows = np.exp(rows - rows.max(axis=1).reshape(-1, 1))
        computed: Array = rows / rows.sum(axis=1).reshape(-1, 1)
        return computed


@saved_step
class Logistic:
    """Turn scores into probabilities, one by one: 1 / (1 + exp(-x)), with the bits of SciPy's `expit`."""

    def __call__(self, rows: Array) -> Array:
        return 1 / (1 + EXPONENTIALS["libm"](-rows))


@saved_step
class Stack:
    """Make two columns of a binary classifier's one probability: 1 - x and x."""

    def __call__(self, rows: Array) -> Array:
        column = rows.ravel()
        both = np.empty((len(column), 2), column.dtype)  # np.column_stack takes three times as long for one row
        np.subtract(1, column, out=both[:, 0])
        both[:, 1] = column
        return both


@saved_step
class Normalize:
    """Divide each row by its sum."""

    def __call__(self, rows: Array) -> Array:
        computed: Array = rows / rows.sum(axis=1).reshape(-1, 1)
        return computed


@saved_step
class Interpolate:
    """Interpolate each column between points, constant before the first point and after the last one."""

    places: tuple[Array, ...]
    values: tuple[Array, ...]

    def __call__(self, rows: Array) -> Array:
        columns = zip(rows.T, self.places, self.values, strict=True)
        return np.column_stack([np.interp(column, places, values) for column, places, values in columns])


@saved_step
class Shares:
    """Divide each row by its sum as calibration does: all zeros become equal shares."""

    def __call__(self, rows: Array) -> Array:
        sums = rows.sum(axis=1).reshape(-1, 1)
        shares = np.divide(rows, sums, out=np.full_like(rows, 1 / rows.shape[1]), where=sums != 0)
        return np.where((shares > 1.0) & (shares <= 1.0 + ROUNDING), 1.0, shares)


@saved_step
class LogSum:
    """Return the logarithm of the sum of the exponentials of each row."""

    def __call__(self, rows: Array) -> Array:
        """Compute, without overflow."""
        highest = rows.max(axis=1)
        shift = np.where(np.isfinite(highest), highest, 0.0)
        computed: Array = np.log(np.exp(rows - shift.reshape(-1, 1)).sum(axis=1)) + shift
        return computed


@saved_step
class Choose:
    """Return the class with the highest score or, of a single column of scores, by whether it is above `bar`."""

    classes: Array
    inclusive: bool = False
    bar: float = 0.0

    def __call__(self, rows: Array) -> Array:
        if len(self.classes) == 1 or (rows.ndim > 1 and rows.shape[1] > 1):
            computed: Array = self.classes.take(rows.argmax(axis=1))
            return computed
        column = rows.ravel()
        return self.classes.take((column >= self.bar if self.inclusive else column > self.bar).astype(np.intp))


@saved_step
class ChooseEach:
    """Return the class with the highest score of each of several outputs, whose columns lie side by side."""

    classes: tuple[Array, ...]

    def __call__(self, rows: Array) -> Array:
        """Compute: of shape (rows, outputs)."""
        blocks = np.split(rows, np.cumsum([len(known) for known in self.classes])[:-1], axis=1)
        chosen = [known.take(block.argmax(axis=1)) for known, block in zip(self.classes, blocks, strict=True)]
        return np.column_stack(chosen)


@saved_step
class Take:
    """Return the class of each number."""

    classes: Array

    def __call__(self, rows: Array) -> Array:
        return self.classes.take(rows)


@saved_step
class Average:
    """Average blocks of columns that lie side by side, one block for each member of an ensemble."""

    blocks: int
    weights: Array | None

    def __call__(self, rows: Array) -> Array:
        """Compute, on an array that is laid out in memory as in scikit-learn."""
        members = np.ascontiguousarray(rows.reshape(len(rows), self.blocks, -1).transpose(1, 0, 2))
        return np.average(members, axis=0, weights=self.weights)


@saved_step
class CountVotes:
    """Count, for each class, the columns that contain its number: of shape (rows, classes)."""

    classes: int
    weights: Array | None

    def __call__(self, rows: Array) -> Array:
        weights = np.ones(rows.shape[1]) if self.weights is None else self.weights
        votes = np.zeros((len(rows), self.classes))
        for column, weight in enumerate(weights):
            votes[np.arange(len(rows)), rows[:, column]] += weight
        return votes


@saved_step
class WeightedMedian:
    """Return the column of each row that is its weighted median, as AdaBoostRegressor does."""

    weights: Array

    def __call__(self, rows: Array) -> Array:
        order = np.argsort(rows, axis=1)
        reached = np.cumsum(self.weights[order], axis=1)
        middle = (reached >= 0.5 * reached[:, -1:]).argmax(axis=1)
        every = np.arange(len(rows))
        computed: Array = rows[every, order[every, middle]]
        return computed
