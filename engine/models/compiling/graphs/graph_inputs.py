"""The inputs of a graph, and the features of an entry that go into each of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from engine.models.runtime.onnx_graphs import rows_at_once
from engine.schema import clip, show
from engine.spec import FileModel
from engine.text import first_words

MOST_COLUMNS = 100_000
MOST_NAMED = 20
_LONGEST_NAME = 40
_ROW_DIMENSIONS = 2
_BITS = (8, 16, 32, 64)
_DTYPES = {
    "tensor(float16)": "float16",
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(bool)": "bool",
    "tensor(string)": "string",
    **{f"tensor({kind}{bits})": f"{kind}{bits}" for kind in ("int", "uint") for bits in _BITS},
}
_KINDS: dict[str, Literal["float", "int", "bool", "string"]] = {
    name: "float" if name.startswith("float") else "int" if "int" in name else name  # type: ignore[misc]
    for name in _DTYPES.values()
}


@dataclass(frozen=True, slots=True)
class GraphInput:
    """An input of a graph: its numpy `dtype` or string, and its `width` in columns, None if it does not declare it."""

    name: str
    dtype: str
    width: int | None
    is_flat: bool = False

    @property
    def kind(self) -> Literal["float", "int", "bool", "string"]:
        """The kind of a column of this dtype."""
        return _KINDS[self.dtype]

    @property
    def bounds(self) -> tuple[int, int] | None:
        """The least and the largest integer that it takes and an entry should say; None if a table's column is so."""
        if self.kind != "int" or self.dtype == "int64":
            return None
        found = np.iinfo(self.dtype)
        return int(found.min), min(int(found.max), 2**63 - 1)


def read_inputs(model: FileModel, session: Any) -> tuple[GraphInput, ...]:
    """Read the inputs of a graph; raise `SpecError` for those that a row of features cannot be."""
    found = session.get_inputs()
    if not found:
        raise model.error("the graph has no inputs, so it cannot take an instance", "file")
    if strange := [one for one in found if one.type not in _DTYPES]:
        names = first_words([f"{show_name(one.name)}: {one.type}" for one in strange], MOST_NAMED)
        raise model.error(
            f"the graph has the inputs {names}; an input must be a tensor of numbers, booleans or strings", "file"
        )
    for one in found:
        _require_rows(model, one)
    for name, count in rows_at_once(session).items():
        if count not in (None, 1):
            which = f" in its input {show(name)}" if len(found) > 1 else ""
            raise model.error(
                f"the graph takes {count} rows at once{which}, no fewer and no more; export it with a first dimension "
                "that is free (dynamic_axes)",
                "file",
            )
    inputs = tuple(GraphInput(one.name, _DTYPES[one.type], _width(one.shape), len(one.shape) == 1) for one in found)
    if sum(one.width or 1 for one in inputs) > MOST_COLUMNS:
        raise model.error(f"the graph takes more than {MOST_COLUMNS:,} columns, the most for a model", "file")
    return inputs


def _require_rows(model: FileModel, one: Any) -> None:
    if len(one.shape) > _ROW_DIMENSIONS:
        found = clip(" x ".join("any" if not isinstance(length, int) else str(length) for length in one.shape), 100)
        raise model.error(
            f"the input {show(one.name)} of the graph has {len(one.shape)} dimensions ({found}); an instance is a row "
            "of numbers, so the input needs two: rows and columns. Export the graph with a reshape in front",
            "file",
        )
    if _width(one.shape) == 0:
        raise model.error(f"the input {show(one.name)} of the graph has no columns", "file")


def _width(shape: Sequence[Any]) -> int | None:
    if len(shape) == 1:
        return 1
    return shape[1] if len(shape) > 1 and isinstance(shape[1], int) else None


def as_identifier(name: str) -> str:
    """Write a name as skl2onnx and others do in a graph: letters, digits and underscores."""
    plain = re.sub(r"[^\w+]", "_", name)
    return f"_{plain}" if plain[:1].isdigit() else plain


def show_inputs(inputs: Sequence[GraphInput]) -> str:
    """List some inputs with their dtypes."""
    widths = ["" if one.width == 1 else f", {one.width or 'any number of'} columns" for one in inputs]
    shown = [f"{show_name(one.name)} ({one.dtype}{width})" for one, width in zip(inputs, widths, strict=True)]
    return first_words(shown, MOST_NAMED)


def show_name(name: str) -> str:
    """Write a name of a graph: as it is if that is readable, and no longer than others."""
    return name if name.isidentifier() and len(name) <= _LONGEST_NAME else show(name)
