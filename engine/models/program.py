"""A compiled model: a few array operations, saved as plain arrays, that compute what scikit-learn computes.

A worker runs programs with numpy alone (and onnxruntime where a step needs it); it imports no scikit-learn and
unpickles nothing. The operations are those that scikit-learn does, in its order and its precision.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from engine.models.graphs import Graph, OnnxTrees
from engine.models.native import NativeTrees
from engine.models.predictor import HAS_NAN, TOO_LARGE, Answer, Refusal
from engine.models.trees import Array, TreeTable

Step = Callable[[Any], Any]


def _require_finite(rows: Array, missing: bool) -> None:
    if np.isfinite(rows.sum()):
        return
    if not missing and np.isnan(rows).any():
        raise Refusal(HAS_NAN)
    if np.isinf(rows).any():
        raise Refusal(TOO_LARGE.format(rows.dtype))


@dataclass(frozen=True, slots=True, eq=False)
class Check:
    """Refuse what scikit-learn's input validation refuses: missing values, unless `missing`; infinity."""

    missing: bool = False
    dtype: str = "float64"

    def __call__(self, rows: Array) -> Array:
        """Give the rows as they are; raise `Refusal`."""
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
    """Take some columns, in an order, of an array or of a table (columns by name, here by number)."""

    columns: Array

    def __call__(self, rows: Any) -> Array:
        """Compute."""
        if isinstance(rows, dict):
            cells = list(rows.values())
            return np.column_stack([cells[column] for column in self.columns])
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

    def __call__(self, rows: Array) -> Array:
        """Compute; raise `Refusal` for an unknown category."""
        blocks = []
        for column, (known, dropped) in enumerate(zip(self.categories, self.dropped, strict=True)):
            found = _positions(rows[:, column], known)
            if not self.ignore and (found < 0).any():
                raise Refusal(f"Found unknown categories in column {column} during transform")
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
    """Give the class with the highest score or, of a single column of scores, by whether it is above 0."""

    classes: Array
    inclusive: bool = False

    def __call__(self, rows: Array) -> Array:
        """Compute."""
        if len(self.classes) == 1 or (rows.ndim > 1 and rows.shape[1] > 1):
            return self.classes.take(rows.argmax(axis=1))
        column = rows.ravel()
        return self.classes.take((column >= 0 if self.inclusive else column > 0).astype(np.intp))


@dataclass(frozen=True, slots=True, eq=False)
class Pick:
    """Take one of a graph's outputs."""

    output: int

    def __call__(self, outputs: Any) -> Array:
        """Give it."""
        return outputs[self.output]


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """The steps that give the scores, then those from the scores to each part of an answer."""

    scores: tuple[Step, ...]
    result: tuple[Step, ...]
    probabilities: tuple[Step, ...] | None = None

    def __call__(self, rows: Any) -> Answer:
        """Answer; raise `Refusal` for rows that scikit-learn would refuse."""
        if isinstance(self.scores[0], NativeTrees):  # nothing after the trees overflows
            return self._answer(rows)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # what overflows is checked for
            return self._answer(rows)

    def _answer(self, rows: Any) -> Answer:
        scores = run(self.scores, rows)
        result = run(self.result, scores).tolist()
        if self.probabilities is None:
            return Answer(result)
        return Answer(result, run(self.probabilities, scores).tolist())


def run(steps: tuple[Step, ...], rows: Any) -> Any:
    """Take rows through some steps."""
    for step in steps:
        rows = step(rows)
    return rows


STEPS: Mapping[str, Any] = {
    step.__name__: step
    for step in (
        *(Arithmetic, Check, Choose, Clip, Concatenate, Dot, Elementwise, FillTexts, Graph, Impute, LastColumn),
        *(Logistic, Narrow, NativeTrees, Normalize, OneHot, OnnxTrees, Pick, Products, Program, Ravel, Select, Softmax),
        *(Squeeze, Stack, TreeTable),
    )
}


def dump(program: Program) -> bytes:
    """Write a program as a .npz file of arrays and one JSON text."""
    arrays: dict[str, Array] = {}

    def encode(value: Any) -> Any:
        if type(value).__name__ in STEPS:
            names = _field_names(type(value))
            return {"step": type(value).__name__, "fields": {name: encode(getattr(value, name)) for name in names}}
        if isinstance(value, tuple):
            return [encode(item) for item in value]
        if isinstance(value, np.ndarray):
            return {"array": _store(value, arrays)}
        return value

    text = json.dumps(encode(program))
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, program=np.array(text), **arrays)
    return file.getvalue()


def load(data: bytes) -> Program:
    """Read a program that `dump` wrote."""
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}

    def decode(value: Any) -> Any:
        if isinstance(value, list):
            return tuple(map(decode, value))
        if not isinstance(value, dict):
            return value
        if "array" in value:
            return _restore(value["array"], arrays)
        return STEPS[value["step"]](**{name: decode(field) for name, field in value["fields"].items()})

    program: Program = decode(json.loads(str(arrays["program"])))
    return program


def _field_names(step: type) -> tuple[str, ...]:
    if hasattr(step, "__dataclass_fields__"):
        return tuple(field.name for field in fields(step))
    return tuple(name for name in step.__init__.__annotations__ if name != "return")  # type: ignore[misc]


def _store(value: Array, arrays: dict[str, Array]) -> dict[str, Any]:
    """Keep an array with its order in memory; one of objects (texts, NaN among them) becomes JSON."""
    if value.dtype == object:
        return {"objects": [None if item != item else item for item in value.tolist()]}  # noqa: PLR0124 - NaN
    name = f"a{len(arrays)}"
    arrays[name] = value
    return {"name": name}


def _restore(stored: dict[str, Any], arrays: Mapping[str, Array]) -> Array:
    if "objects" in stored:
        return np.array([float("nan") if item is None else item for item in stored["objects"]], dtype=object)
    return arrays[stored["name"]]


def _positions(cells: Array, known: Array) -> Array:
    """Find each cell among the known categories, -1 where it is none of them; NaN is found as itself."""
    index = {("nan" if value != value else value): place for place, value in enumerate(known.tolist())}  # noqa: PLR0124
    return np.array([index.get("nan" if cell != cell else cell, -1) for cell in cells.tolist()])  # noqa: PLR0124
