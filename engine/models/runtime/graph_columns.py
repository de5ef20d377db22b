"""Graphs with an input for each column, or for some of them: a table's columns become the tensors that they take."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine.models.data.array import Array
from engine.models.runtime.answer import not_held
from engine.models.runtime.onnx_graphs import RowsAnswer, held, open_session
from engine.models.runtime.saved import saved, saved_step

_WIDEST = 64


@saved_step
class TensorInput:
    """An input of a graph: its `dtype` (numpy's, or string), and the numbers of the table's columns in it.

    It is flat if it has one dimension. The `whole` columns have integers, which floats must hold exactly.
    """

    name: str
    dtype: str
    columns: tuple[int, ...]
    is_flat: bool = False
    whole: tuple[int, ...] = ()

    def maker(self) -> Callable[[Sequence[Array]], Array]:
        """Return a function that makes the tensor of all columns of a table; it raises `Refusal`."""
        if len(self.columns) == 1:
            return self._of_one(self.columns[0], flat=self.is_flat)
        parts = [self._of_one(column, flat=False) for column in self.columns]
        return lambda cells: np.concatenate([part(cells) for part in parts], axis=1)

    def _of_one(self, column: int, *, flat: bool) -> Callable[[Sequence[Array]], Array]:
        shape = (-1,) if flat else (-1, 1)
        if self.dtype in ("string", "bool", "int64"):  # as the table has them
            return lambda cells: cells[column].reshape(shape)
        dtype = np.dtype(self.dtype)
        are_whole = column in self.whole

        def all_rows(cells: Sequence[Array]) -> Array:
            return held(cells[column], self.dtype, column, are_whole=are_whole).reshape(shape)

        if dtype.kind != "f" or are_whole:
            return all_rows
        one_row = _one_float(dtype, (1,) if flat else (1, 1), column)
        return lambda cells: one_row(cells[column].item()) if len(cells[column]) == 1 else all_rows(cells)


@saved
class ColumnsGraph:
    """A whole graph that takes the columns of a table, and whose named `outputs` are computed."""

    def __init__(self, graph: Array, inputs: tuple[TensorInput, ...], outputs: tuple[str, ...]) -> None:
        self.graph = graph
        self.inputs = inputs
        self.outputs = outputs
        self._makers = [(one.name, one.maker()) for one in inputs]
        self._answer = RowsAnswer(open_session(graph.tobytes()), outputs)

    def __call__(self, rows: Any) -> list[Array]:
        """Compute the outputs; raise `Refusal` for a value that an input cannot hold."""
        cells = [*rows.values()]
        return self._answer({name: make(cells) for name, make in self._makers}, len(cells[0]))


def _one_float(dtype: np.dtype[Any], shape: tuple[int, ...], column: int) -> Callable[[float], Array]:
    """Return a function that makes a tensor of one number, several times faster than numpy's checks of arrays do."""
    about = np.finfo(dtype)
    # From halfway between the largest number and the next power of two, numbers are rounded to infinity.
    end = math.inf if about.bits == _WIDEST else 2.0**about.maxexp * (1 - 2.0 ** -(about.nmant + 2))
    empty = np.empty

    def make(value: float) -> Array:
        if abs(value) >= end:
            raise not_held(value, dtype.name, column)
        made = empty(shape, dtype)
        made.fill(value)
        return made

    return make
