"""ONNX graphs, run by onnxruntime on one thread."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.models.trees import Array


class Graph:
    """A whole graph with one input, of `dtype` numbers or of strings, and any number of outputs."""

    def __init__(self, graph: Array, dtype: str) -> None:
        self.graph = graph
        self.dtype = dtype
        session = _session(graph)
        self._run = session.run
        self._name: str = session.get_inputs()[0].name

    def __call__(self, rows: Any) -> list[Array]:
        """Compute all outputs."""
        if self.dtype == "string":
            rows = np.array(rows, dtype=object).reshape(-1, 1)
        elif rows.dtype != self.dtype:
            rows = rows.astype(self.dtype)
        outputs: list[Array] = self._run(None, {self._name: rows})
        return outputs


class OnnxTrees:
    """Trees in double precision, by the operator TreeEnsemble."""

    def __init__(self, graph: Array) -> None:
        self.graph = graph
        self._run = _session(graph).run

    def __call__(self, rows: Array) -> Array:
        """Sum the leaves of each row: float64 of shape (rows, outputs)."""
        return self._run(None, {"rows": rows})[0]


def _session(graph: Array) -> Any:
    import onnxruntime  # noqa: PLC0415 - a process whose models have no graph does not load it

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(graph.tobytes(), options, providers=["CPUExecutionProvider"])
