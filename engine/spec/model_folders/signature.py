"""The signature in an MLmodel file → the columns that its model takes.

https://mlflow.org/docs/latest/ml/model/signatures/ describes it; versions 1 to 3 of MLflow write the same JSON, the
first without `required`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from engine.schema import clip, show
from engine.spec.model_folders.folder_records import Signature, SignedColumn, SignedKind
from engine.spec.reading.node import Node
from engine.text import join_words

_KINDS: Mapping[str, SignedKind] = {
    "boolean": "boolean",
    "datetime": "string",
    "double": "number",
    "float": "number",
    "integer": "integer",
    "long": "integer",
    "string": "string",
}
_ROW, _ROWS = 1, 2  # the dimensions of a tensor that has one value for each row, or a row of them


def read_signature(inputs: Node) -> Signature | None:
    """Read the inputs of a signature, a JSON text; None if there are none. Raise `SpecError` at their place."""
    if inputs.text is None:
        return None
    try:
        listed = json.loads(inputs.text)
    except (ValueError, RecursionError) as error:
        raise inputs.mistake(f"the inputs of a signature are JSON, and this is not ({clip(str(error))})") from None
    try:
        return _signature(listed)
    except ValueError as error:
        raise inputs.mistake(str(error)) from None


def _signature(listed: Any) -> Signature | None:
    """Make the record; raise `ValueError` for inputs that are no rows of columns."""
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise ValueError("the inputs of a signature are a list of columns, each with its type")
    if not listed:
        return None
    names = [one.get("name") for one in listed]
    if len(listed) == 1 and listed[0].get("type") == "tensor":
        tensor = _tensor(listed[0])
        if tensor is not None:
            return tensor
    if any(name is None for name in names):
        kinds = {_column(str(place), one).kind for place, one in enumerate(listed, 1)}
        return Signature(count=len(listed), kind=kinds.pop() if len(kinds) == 1 else None)
    if any(not isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise ValueError("the names of columns are texts, and no two of them are equal")
    return Signature(tuple(_column(one["name"], one) for one in listed), len(listed))


def _column(name: str, said: Mapping[str, Any]) -> SignedColumn:
    written = said.get("type")
    required = said.get("required", said.get("optional") is not True) is not False
    if written == "tensor":
        kind, shape = _tensor_parts(said)
        if shape[1:] not in ([], [1]):
            raise ValueError(f"the tensor {show(name)} has more than one value for each row, and a column has only one")
        return SignedColumn(name, kind, str(said["tensor-spec"]["dtype"]), required)
    if not isinstance(written, str) or written not in _KINDS:
        known = join_words(sorted(_KINDS), "or")
        raise ValueError(
            f"the column {show(name)} is of type {show(written)}, which no feature can be; it needs {known}"
        )
    return SignedColumn(name, _KINDS[written], written, required, is_time=written == "datetime")


def _tensor(said: Mapping[str, Any]) -> Signature | None:
    """Make the signature of the only tensor; None if it is a column with a name."""
    kind, shape = _tensor_parts(said)
    if len(shape) == _ROW and said.get("name") is not None:
        return None
    if len(shape) > _ROWS:
        dimensions = " x ".join("any" if length == -1 else str(length) for length in shape)
        raise ValueError(
            f"the tensor has {len(shape)} dimensions ({dimensions}); an instance is a row, so it needs two: rows and "
            "columns"
        )
    count = shape[1] if len(shape) == _ROWS else 1
    return Signature(count=count if count > 0 else None, kind=kind)


def _tensor_parts(said: Mapping[str, Any]) -> tuple[SignedKind | None, list[int]]:
    """Return the type of a tensor's values, and its shape; raise `ValueError`."""
    spec = said.get("tensor-spec")
    shape, dtype = (spec.get("shape"), spec.get("dtype")) if isinstance(spec, dict) else (None, None)
    if not isinstance(shape, list) or not shape or not all(type(length) is int for length in shape):
        raise ValueError('a tensor has a "tensor-spec" with its "dtype" and its "shape", a list of lengths')
    return _kind_of_dtype(str(dtype)), shape


def _kind_of_dtype(dtype: str) -> SignedKind | None:
    if dtype.startswith("float"):
        return "number"
    if dtype.startswith(("int", "uint")):
        return "integer"
    if dtype == "bool":
        return "boolean"
    return "string" if dtype.startswith(("str", "<U")) else None
