"""A compiled model: a few array operations, saved as plain arrays, that compute what scikit-learn computes.

A worker runs programs with numpy alone (and onnxruntime if a step needs it); it imports no scikit-learn and unpickles
nothing.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from engine.models.data.array import Array
from engine.models.runtime import steps as s
from engine.models.runtime.answer import Answer
from engine.models.runtime.graph_columns import ColumnsGraph
from engine.models.runtime.native_trees import NativeTrees
from engine.models.runtime.saved import SAVED, saved_step


@saved_step
class Program:
    """The steps to the scores, and from the scores to each part of an answer."""

    scores: tuple[s.Step, ...]
    result: tuple[s.Step, ...]
    probabilities: tuple[s.Step, ...] | None = None

    def __call__(self, rows: Any) -> Answer:
        """Answer; raise `Refusal` for rows that scikit-learn would refuse."""
        result, chances = self.arrays(rows)
        return Answer(result.tolist(), None if chances is None else chances.tolist())

    def arrays(self, rows: Any) -> tuple[Array, Array | None]:
        """Answer with arrays: the results, and the probabilities if there are any."""
        if isinstance(self.scores[0], NativeTrees | ColumnsGraph):  # nothing after these overflows
            return self._arrays(rows)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # overflows are checked for
            return self._arrays(rows)

    def __iter__(self) -> Iterator[s.Step]:
        """Yield every step in order, including those of branches."""
        for steps in (self.scores, self.result, self.probabilities or ()):
            yield from _flat(steps)

    def _arrays(self, rows: Any) -> tuple[Array, Array | None]:
        scores = s.run(self.scores, rows)
        result = s.run(self.result, scores)
        return result, None if self.probabilities is None else s.run(self.probabilities, scores)


def _flat(steps: tuple[s.Step, ...]) -> Iterator[s.Step]:
    for step in steps:
        branches: tuple[tuple[s.Step, ...], ...] = ()
        if isinstance(step, s.Concatenate):
            branches = step.branches
        elif isinstance(step, s.Append):
            branches = (step.steps,)
        elif isinstance(step, s.Apart):
            branches = tuple(steps for _, steps in step.branches)
        if not branches:
            yield step
        for branch in branches:
            yield from _flat(branch)


def dump_program(program: Program) -> bytes:
    """Write a program as a .npz file of arrays and one JSON text."""
    arrays: dict[str, Array] = {}

    def encode(value: Any) -> Any:
        if SAVED.get(type(value).__name__) is type(value):
            names = _field_names(type(value))
            return {"step": type(value).__name__, "fields": {name: encode(getattr(value, name)) for name in names}}
        if isinstance(value, tuple):
            return [encode(item) for item in value]
        if isinstance(value, np.ndarray):
            return {"array": _store(value, arrays)}
        return value

    text = json.dumps(encode(program), default=_refuse)
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, program=np.array(text), **arrays)
    return file.getvalue()


def _refuse(value: Any) -> Any:
    raise TypeError(f"{type(value).__name__} cannot be saved in a program: write @saved_step above its class")


def load_program(data: bytes) -> Program:
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
        return SAVED[value["step"]](**{name: decode(field) for name, field in value["fields"].items()})

    program: Program = decode(json.loads(str(arrays["program"])))
    return program


def names_of_steps(data: bytes) -> frozenset[str]:
    """Name the kinds of steps in what `dump` wrote, without making them."""
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        waiting, names = [json.loads(str(file["program"]))], set()
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict) and "step" in value:
            names.add(value["step"])
            waiting += value["fields"].values()
    return frozenset(names)


def _field_names(step: type) -> tuple[str, ...]:
    if hasattr(step, "__dataclass_fields__"):
        return tuple(field.name for field in fields(step) if field.init)
    return tuple(name for name in step.__init__.__annotations__ if name != "return")  # type: ignore[misc]


def _store(value: Array, arrays: dict[str, Array]) -> dict[str, Any]:
    """Store an array with its order in memory; one of objects (texts, None or NaN among them) becomes JSON."""
    if value.dtype == object:
        return {"objects": value.tolist()}
    name = f"a{len(arrays)}"
    arrays[name] = value
    return {"name": name}


def _restore(stored: dict[str, Any], arrays: Mapping[str, Array]) -> Array:
    if "objects" in stored:
        return np.array(stored["objects"], dtype=object)
    return arrays[stored["name"]]
