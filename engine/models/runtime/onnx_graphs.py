"""ONNX graphs, run by onnxruntime on one thread, from bytes alone: a graph cannot read files."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from engine.models.data.array import Array
from engine.models.runtime.answer import Stopped, not_held
from engine.models.runtime.saved import saved
from engine.schema import clip
from engine.text import plural

# A folder that cannot exist. onnxruntime looks for external data there, whatever the graph says.
_NOWHERE = os.path.join(os.path.abspath(os.devnull), "nowhere")  # noqa: PTH100, PTH118 - on Windows, no Path is it
_NO_MEMORY = ("Failed to allocate memory", "bad_alloc", "bad allocation")
_STOPPED_AT = re.compile(r"while running (\w+) node\..*?Status Message: (.*)", re.DOTALL)
_IN_THE_SOURCE = re.compile(r"\.(?:cc|cpp|h|hpp):\d+ ")
_REASON_LENGTH = 200


@saved
class Graph:
    """A whole graph with one input, of `dtype` numbers or of strings.

    The named `outputs` are computed, or the first two.
    """

    def __init__(self, graph: Array, dtype: str, outputs: tuple[str, ...] = ()) -> None:
        self.graph = graph
        self.dtype = dtype
        self.outputs = outputs
        session = open_session(graph.tobytes())
        self._name = session.get_inputs()[0].name
        self._is_flat = len(session.get_inputs()[0].shape) == 1
        self._answer = RowsAnswer(session, outputs)

    def __call__(self, rows: Any) -> list[Array]:
        """Compute the outputs, one entry for each row; raise `Stopped` if an operator fails on the values."""
        count = len(rows)
        if self.dtype == "string":
            rows = np.array(rows, dtype=object).reshape(-1, 1)
        elif rows.dtype != self.dtype:
            rows = held(rows, self.dtype)
        return self._answer({self._name: rows.ravel() if self._is_flat else rows}, count)


class RowsAnswer:
    """Computes some outputs of a graph, one entry for each row: of all rows at once, or of each alone."""

    def __init__(self, session: Any, outputs: Sequence[str] = ()) -> None:
        self._run = _runner(session, outputs or [output.name for output in session.get_outputs()[:2]])
        self._takes_one_row = any(count == 1 for count in rows_at_once(session).values())

    def __call__(self, inputs: Mapping[str, Array], count: int) -> list[Array]:
        """Compute the outputs; raise `Stopped` if an operator fails on the values."""
        if not self._takes_one_row or count == 1:
            outputs = self._run(inputs)
            if all(output.shape[:1] == (count,) for output in outputs):
                return outputs
        # The graph takes one row at a time, or combines the rows of a call, so each row needs its own call.
        alone = [self._run_one({name: cells[row : row + 1] for name, cells in inputs.items()}) for row in range(count)]
        return [np.concatenate(parts) for parts in zip(*alone, strict=True)]

    def _run_one(self, row: Mapping[str, Array]) -> list[Array]:
        outputs = [np.atleast_1d(output) for output in self._run(row)]
        for output in outputs:
            if len(output) != 1:
                raise Stopped(f"the graph gives {plural(len(output), 'result')} for one instance")
        return outputs


def held(cells: Array, dtype: str, column: int | None = None, *, are_whole: bool = False) -> Array:
    """Make numbers those of a graph; raise `Refusal` for one that its dtype cannot hold.

    A fraction becomes the nearest one, but an integer never another: cells that `are_whole` must stay as they are.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # looked for below
        narrow = cells.astype(dtype)
    changed = np.isinf(narrow) if narrow.dtype.kind == "f" else narrow != cells
    if are_whole and narrow.dtype.kind == "f":
        changed |= (narrow != cells) & (cells == cells)  # noqa: PLR0124 - NaN
    if changed.any():
        raise not_held(cells[changed].flat[0].item(), dtype, column)
    return narrow


@saved
class OnnxTrees:
    """Trees in double precision, by the operator TreeEnsemble."""

    def __init__(self, graph: Array) -> None:
        self.graph = graph
        session = open_session(graph.tobytes())
        self._name = session.get_inputs()[0].name
        self._run = _runner(session, [session.get_outputs()[0].name])

    def __call__(self, rows: Array) -> Array:
        """Sum the leaves of each row: float64 of shape (rows, outputs)."""
        return self._run({self._name: np.asarray(rows, np.float64)})[0]


def open_session(data: bytes) -> Any:
    """Load a graph; raise `MemoryError`, or what onnxruntime raises."""
    import onnxruntime  # noqa: PLC0415 - a process whose models have no graph does not load it

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.load_model_format", "ONNX")  # its own format refers to other files
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", _NOWHERE)
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - onnxruntime has errors of its own
        raise _memory_error(error) or error from None


def rows_at_once(session: Any) -> dict[str, int | None]:
    """Return the number of rows that each input of a graph takes at once, None for any number."""
    shapes = {one.name: one.shape for one in session.get_inputs()}
    return {name: shape[0] if shape and isinstance(shape[0], int) else None for name, shape in shapes.items()}


def _runner(session: Any, outputs: Sequence[str]) -> Callable[[Mapping[str, Array]], list[Array]]:
    """Return a function that computes some outputs of a graph.

    All rows have the same shape and type, so if an operator fails, their values are the reason, unless memory is short.
    """
    run, wanted = session.run, [*outputs]

    def compute(inputs: Mapping[str, Array]) -> list[Array]:
        try:
            computed: list[Array] = run(wanted, inputs)
        except Exception as error:
            raise _memory_error(error) or Stopped(_why_stopped(str(error))) from error
        return computed

    return compute


def _memory_error(error: Exception) -> MemoryError | None:
    return MemoryError(str(error)) if any(words in str(error) for words in _NO_MEMORY) else None


def _why_stopped(said: str) -> str:
    """Name the operator and its reason, without references to onnxruntime's own source."""
    found = _STOPPED_AT.search(said)
    if found is None:
        return f"the graph stops: {clip(said, _REASON_LENGTH)}"
    operator, reason = found.groups()
    if _IN_THE_SOURCE.search(reason):
        reason = reason.partition("was false. ")[2]
    reason = clip(" ".join(reason.split()), _REASON_LENGTH)
    return f"{operator}: {reason}" if reason else f"{operator} cannot compute with its values"
