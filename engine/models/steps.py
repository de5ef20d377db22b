"""The steps of a compiled model: what scikit-learn computes, as operations on plain arrays.

They are the operations that scikit-learn does, in its order and its precision. Every step is a frozen record of
numbers and arrays, which `program` saves and reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, takewhile
from typing import Any

import numpy as np

from engine.models.predictor import HAS_NAN, TOO_LARGE, Refusal
from engine.models.trees import Array

Step = Callable[[Any], Any]

KERNEL_CELLS = 2_000_000


def _require_finite(rows: Array, missing: bool) -> None:
    if np.isfinite(rows.sum()):
        return
    if not missing and np.isnan(rows).any():
        raise Refusal(HAS_NAN)
    if np.isinf(rows).any():
        raise Refusal(TOO_LARGE.format(rows.dtype))


def _as_floats(rows: Array) -> Array:
    """Make floats of integers, booleans or objects, as scikit-learn's own check of its input does."""
    try:
        return rows.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise Refusal(str(error)) from None


@dataclass(frozen=True, slots=True, eq=False)
class Check:
    """Refuse what scikit-learn's input validation refuses: missing values, unless `missing`; infinity."""

    missing: bool = False
    dtype: str = "float64"

    def __call__(self, rows: Array) -> Array:
        """Give the rows as floats; raise `Refusal`."""
        if rows.dtype.kind != "f":
            rows = _as_floats(rows)
        _require_finite(rows if self.dtype == "float64" else rows.astype(self.dtype), self.missing)
        return rows


@dataclass(frozen=True, slots=True, eq=False)
class Narrow:
    """Round to float32, as trees do, and check; the values go on as float64."""

    missing: bool = False

    def __call__(self, rows: Array) -> Array:
        """Give the rounded rows; raise `Refusal` for one that float32 cannot hold."""
        narrow = rows.astype(np.float32)
        _require_finite(narrow, self.missing)
        return narrow.astype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Arithmetic:
    """Combine each column with a number: `function` names numpy's function."""

    function: str
    by: Array

    def __call__(self, rows: Array) -> Array:
        """Compute."""
        return getattr(np, self.function)(rows, self.by)


@dataclass(frozen=True, slots=True, eq=False)
class Elementwise:
    """Apply one of numpy's functions of one argument."""

    function: str

    def __call__(self, rows: Array) -> Array:
        """Compute."""
        return getattr(np, self.function)(rows)


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """Keep each value between two bounds."""

    low: float
    high: float

    def __call__(self, rows: Array) -> Array:
        """Compute."""
        return np.clip(rows, self.low, self.high)


@dataclass(frozen=True, slots=True, eq=False)
class Impute:
    """Put a column's own value in place of NaN."""

    values: Array

    def __call__(self, rows: Array) -> Array:
        """Compute."""
        return np.where(np.isnan(rows), self.values, rows)


@dataclass(frozen=True, slots=True, eq=False)
class Select:
    """Take some columns, in an order, of an array or of a table (columns by name, here by number).

    `apart` keeps the columns of a table from becoming one array, which would make floats of integers.
    """

    columns: Array
    apart: bool = False

    def __call__(self, rows: Any) -> Any:
        """Compute."""
        if isinstance(rows, dict):
            cells = list(rows.values())
            chosen = [cells[column] for column in self.columns]
            return chosen if self.apart else np.column_stack(chosen)
        return rows[:, self.columns]


@dataclass(frozen=True, slots=True, eq=False)
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


@dataclass(frozen=True, slots=True, eq=False)
class Dot:
    """Multiply by a matrix, or by a vector."""

    matrix: Array
    transposed: bool = False

    def __call__(self, rows: Array) -> Array:
        """Compute; the matrix lies in memory as scikit-learn has it, so that BLAS sums in the same order."""
        return rows @ (self.matrix.T if self.transposed else self.matrix)


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


@dataclass(frozen=True, slots=True, eq=False)
class FillTexts:
    """Put a column's own value in place of a missing text."""

    values: Array

    def __call__(self, rows: Array) -> Array:
        """Compute."""
        gaps = rows != rows  # noqa: PLR0124 - only NaN differs from itself
        return np.where(gaps.astype(bool), self.values, rows)


@dataclass(frozen=True, slots=True, eq=False)
class Concatenate:
    """Put what several programs make of the same rows side by side."""

    branches: tuple[tuple[Step, ...], ...]

    def __call__(self, rows: Any) -> Array:
        """Compute."""
        return np.hstack([run(branch, rows) for branch in self.branches])


@dataclass(frozen=True, slots=True, eq=False)
class Softmax:
    """Turn scores into probabilities as scikit-learn's `softmax` does."""

    def __call__(self, rows: Array) -> Array:
        """Compute."""
        rows = np.exp(rows - rows.max(axis=1).reshape(-1, 1))
        return rows / rows.sum(axis=1).reshape(-1, 1)


@dataclass(frozen=True, slots=True, eq=False)
class Logistic:
    """Turn scores into probabilities, one by one: 1 / (1 + exp(-x))."""

    def __call__(self, rows: Array) -> Array:
        """Compute."""
        return 1 / (1 + np.exp(-rows))


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """Make two columns of the one probability that a binary classifier computes: 1 - x and x."""

    def __call__(self, rows: Array) -> Array:
        """Compute."""
        column = rows.ravel()
        return np.column_stack((1 - column, column))


@dataclass(frozen=True, slots=True, eq=False)
class Normalize:
    """Divide each row by its sum."""

    def __call__(self, rows: Array) -> Array:
        """Compute."""
        return rows / rows.sum(axis=1).reshape(-1, 1)


@dataclass(frozen=True, slots=True, eq=False)
class Ravel:
    """Make one dimension of a single column."""

    def __call__(self, rows: Array) -> Array:
        """Compute."""
        return rows.ravel()


@dataclass(frozen=True, slots=True, eq=False)
class Squeeze:
    """Make one dimension of two where there is only one column."""

    def __call__(self, rows: Array) -> Array:
        """Compute."""
        return rows.ravel() if rows.ndim > 1 and rows.shape[1] == 1 else rows


@dataclass(frozen=True, slots=True, eq=False)
class LastColumn:
    """Take the last column: of a binary decision function in two columns, the one that counts."""

    def __call__(self, rows: Array) -> Array:
        """Compute."""
        return rows if rows.ndim == 1 else rows[:, -1]


@dataclass(frozen=True, slots=True, eq=False)
class Choose:
    """Give the class with the highest score or, of a single column of scores, by whether it is above `bar`."""

    classes: Array
    inclusive: bool = False
    bar: float = 0.0

    def __call__(self, rows: Array) -> Array:
        """Compute."""
        if len(self.classes) == 1 or (rows.ndim > 1 and rows.shape[1] > 1):
            return self.classes.take(rows.argmax(axis=1))
        column = rows.ravel()
        return self.classes.take((column >= self.bar if self.inclusive else column > self.bar).astype(np.intp))


@dataclass(frozen=True, slots=True, eq=False)
class ChooseEach:
    """Give the class with the highest score of each of several outputs, whose columns lie side by side."""

    classes: tuple[Array, ...]

    def __call__(self, rows: Array) -> Array:
        """Compute: of shape (rows, outputs)."""
        blocks = np.split(rows, np.cumsum([len(known) for known in self.classes])[:-1], axis=1)
        chosen = [known.take(block.argmax(axis=1)) for known, block in zip(self.classes, blocks, strict=True)]
        return np.column_stack(chosen)


@dataclass(frozen=True, slots=True, eq=False)
class Take:
    """Give the class of each number."""

    classes: Array

    def __call__(self, rows: Array) -> Array:
        """Look up."""
        return self.classes.take(rows)


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """Make one column of one dimension."""

    def __call__(self, rows: Array) -> Array:
        """Compute."""
        return rows.reshape(-1, 1)


@dataclass(frozen=True, slots=True, eq=False)
class RowSums:
    """Sum each row."""

    def __call__(self, rows: Array) -> Array:
        """Compute."""
        return rows.sum(axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class Append:
    """Put what some steps make of the rows behind them, as another column."""

    steps: tuple[Step, ...]

    def __call__(self, rows: Array) -> Array:
        """Compute."""
        return np.hstack((rows, run(self.steps, rows)))


@dataclass(frozen=True, slots=True, eq=False)
class Average:
    """Average blocks of columns that lie side by side, one block for each member of an ensemble."""

    blocks: int
    weights: Array | None

    def __call__(self, rows: Array) -> Array:
        """Compute, over an array that lies in memory as scikit-learn's."""
        members = np.ascontiguousarray(rows.reshape(len(rows), self.blocks, -1).transpose(1, 0, 2))
        return np.average(members, axis=0, weights=self.weights)


@dataclass(frozen=True, slots=True, eq=False)
class CountVotes:
    """Count, for each class, the columns that name its number: of shape (rows, classes)."""

    classes: int
    weights: Array | None

    def __call__(self, rows: Array) -> Array:
        """Count."""
        weights = np.ones(rows.shape[1]) if self.weights is None else self.weights
        votes = np.zeros((len(rows), self.classes))
        for column, weight in enumerate(weights):
            votes[np.arange(len(rows)), rows[:, column]] += weight
        return votes


@dataclass(frozen=True, slots=True, eq=False)
class WeightedMedian:
    """Give the column of each row that is its weighted median, as AdaBoostRegressor does."""

    weights: Array

    def __call__(self, rows: Array) -> Array:
        """Compute."""
        order = np.argsort(rows, axis=1)
        reached = np.cumsum(self.weights[order], axis=1)
        middle = (reached >= 0.5 * reached[:, -1:]).argmax(axis=1)
        every = np.arange(len(rows))
        return rows[every, order[every, middle]]


@dataclass(frozen=True, slots=True, eq=False)
class Kernel:
    """Give a kernel's value for each row with each of some `vectors`: of shape (rows, vectors)."""

    kind: str
    vectors: Array
    gamma: float
    shift: float
    degree: float

    def __call__(self, rows: Array) -> Array:
        """Compute."""
        if self.kind == "rbf":
            return np.exp(-self.gamma * self._distances(rows))
        products = rows @ self.vectors.T
        if self.kind == "linear":
            return products
        inner = self.gamma * products + self.shift
        return inner**self.degree if self.kind == "poly" else np.tanh(inner)

    def _distances(self, rows: Array) -> Array:
        """Square the distances from the differences, some rows at a time."""
        some = max(1, KERNEL_CELLS // self.vectors.size)
        found = np.empty((len(rows), len(self.vectors)))
        for begin in range(0, len(rows), some):
            apart = rows[begin : begin + some, None, :] - self.vectors
            np.einsum("rvf,rvf->rv", apart, apart, out=found[begin : begin + some])
        return found


@dataclass(frozen=True, slots=True, eq=False)
class OneVsOne:
    """Count the votes of machines that each tell two classes apart: of shape (rows, classes).

    With `confident`, votes for the second class of a pair are those below 0, and the sums of the confidences
    decide among equals, as scikit-learn's decision function does; without, they are those not above 0, as libsvm
    counts for its predictions.
    """

    classes: int
    confident: bool

    def __call__(self, rows: Array) -> Array:
        """Count."""
        votes = np.zeros((len(rows), self.classes))
        sums = np.zeros((len(rows), self.classes))
        pairs = combinations(range(self.classes), 2)
        for column, (one, other) in zip(rows.T, pairs, strict=True):
            second = column < 0 if self.confident else ~(column > 0)
            votes[:, one] += ~second
            votes[:, other] += second
            sums[:, one] += column
            sums[:, other] -= column
        return votes + sums / (3 * (np.abs(sums) + 1)) if self.confident else votes


@dataclass(frozen=True, slots=True, eq=False)
class Pick:
    """Take one of a graph's outputs."""

    output: int

    def __call__(self, outputs: Any) -> Array:
        """Give it."""
        return outputs[self.output]


def run(steps: tuple[Step, ...], rows: Any) -> Any:
    """Take rows through some steps; a `Refusal` names the column of these rows."""
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
    """Find out which column became one behind some steps, None where these do more than to fill and select."""
    for step in reversed(before):
        if isinstance(step, Select):
            column = int(step.columns[column])
        elif not isinstance(step, Arithmetic | Check | Clip | FillTexts | Impute | Narrow):
            return None
    return column


def _positions(cells: Array, known: Array) -> Array:
    """Find each cell among the known categories, -1 where it is none of them; NaN is found as itself."""
    index = {("nan" if value != value else value): place for place, value in enumerate(known.tolist())}  # noqa: PLR0124
    return np.array([index.get("nan" if cell != cell else cell, -1) for cell in cells.tolist()])  # noqa: PLR0124


ARRAY_STEPS: tuple[type[Any], ...] = (
    *(Append, Arithmetic, Average, Check, Choose, ChooseEach, Clip, Column, Concatenate, CountVotes, Dot, Elementwise),
    *(FillTexts, Impute, Kernel, LastColumn, Logistic, Narrow, Normalize, OneHot, OneVsOne, Pick, Products, Ravel),
    *(RowSums, Select, Softmax, Squeeze, Stack, Take, WeightedMedian),
)
