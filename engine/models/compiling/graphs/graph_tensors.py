"""The tensors of a graph: which operator makes each, and the values of those that the graph itself has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

# Operators that pass on the values of their first input unchanged, and those that choose some of them.
PASSING = frozenset(("Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"))
SELECTING = frozenset(("ArrayFeatureExtractor", "Gather"))


class GraphTensors:
    """The tensors of a graph that was `read`, by their names."""

    def __init__(self, read: Any) -> None:
        self._makers = {name: node for node in read.graph.node for name in node.output}
        self._constants = {one.name: one for one in read.graph.initializer}

    def makers(self, name: str) -> Iterator[Any]:
        """Yield the operator that makes a tensor, that of its first input, and so on."""
        for _ in self._makers:
            node = self._makers.get(name)
            if node is None:
                return
            yield node
            if not node.input:
                return
            name = node.input[0]

    def values(self, name: str) -> Sequence[Any] | None:
        """Return the values of a tensor that the graph itself has, flat; None for one that is computed."""
        import onnx  # noqa: PLC0415 - only where a model is one

        tensor, maker = self._constants.get(name), self._makers.get(name)
        if tensor is None and maker is not None and maker.op_type == "Constant":
            tensor = next((one.t for one in maker.attribute if one.name == "value"), None)
        if tensor is None:
            return None
        try:
            values: list[Any] = onnx.numpy_helper.to_array(tensor).ravel().tolist()
        except Exception:  # noqa: BLE001 - a tensor may contradict itself, which onnxruntime reports
            return None
        return values
