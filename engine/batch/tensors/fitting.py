"""Tensors → the columns of a model's instances, if their names and shapes fit its input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.batch.scoring.record_batch import Key
from engine.batch.tensors.datatypes import Cells
from engine.batch.tensors.tensor import Tensor, first_infinite, values_of
from engine.errors import EngineError
from engine.models import Facts
from engine.schema import InstanceSchema, show
from engine.spec import Model
from engine.text import first_words, nearest, plural

_MOST_NAMED = 20
_NUMBERS, _TEXTS = frozenset(("number", "null")), frozenset(("string", "null"))


class UnfitTensors(EngineError):
    """The tensors are not those of a model's input."""


@dataclass(frozen=True, slots=True)
class SentColumns:
    """The columns of some instances, by feature, or by place where an instance is an array; 0 of a lone value.

    `matrix` is in place of columns where a model takes arrays of any length, since a client chooses how many there are.
    """

    columns: Mapping[Key, Cells]
    count: int
    matrix: Tensor | None = None

    def instances(self, schema: InstanceSchema) -> list[Any]:
        """Make the instances; raise `UnfitTensors` for infinity, which no instance can have.

        A gap in an optional feature leaves it out; in a required one, it is null.
        """
        if self.matrix is not None:
            return self._rows_of(self.matrix)
        values = {key: self._finite(key, values_of(cells)) for key, cells in self.columns.items()}
        if schema.form == "array":
            return [list(row) for row in zip(*values.values(), strict=True)]
        if schema.form != "object":
            return values[0]
        dropped = {name for name, column in values.items() if name not in schema.required and None in column}
        rows = zip(*values.values(), strict=True)
        if not dropped:
            return [dict(zip(values, row, strict=True)) for row in rows]
        return [
            {name: value for name, value in zip(values, row, strict=True) if value is not None or name not in dropped}
            for row in rows
        ]

    def _rows_of(self, matrix: Tensor) -> list[Any]:
        width, values = matrix.width or 0, values_of(matrix.cells)
        if (place := first_infinite(values)) is not None:
            row, column = divmod(place, width)
            raise UnfitTensors(f"row {row} of column {column} is infinite; send a finite number")
        return [values[row * width : (row + 1) * width] for row in range(self.count)]

    @staticmethod
    def _finite(key: Key, values: list[Any]) -> list[Any]:
        if (row := first_infinite(values)) is not None:
            column = key if isinstance(key, str) else f"column {key}"
            raise UnfitTensors(f"row {row} of {column} is infinite; send a finite number")
        return values


def feature_order(model: Model, facts: Facts) -> tuple[str, ...]:
    """Return the features of an object in the order of a matrix's columns: the spec's `features`, or the model's."""
    known = model.input.instance.properties
    if (named := getattr(model, "features", None)) and all(name in known for name in named):
        return tuple(named)
    if isinstance(facts.features, tuple) and all(name in known for name in facts.features):
        return facts.features
    return tuple(known)


class TensorFitter:
    """Fits the tensors of requests to one model's input; `names` are its features, if instances are objects."""

    def __init__(self, model: Model, facts: Facts) -> None:
        self._schema = model.input.instance
        self.names = feature_order(model, facts) if self._schema.form == "object" else ()
        self._is_open = self._schema.form == "object" and not self._schema.properties
        self._known = frozenset(self._schema.properties)
        self._width = facts.features if isinstance(facts.features, int) else None

    def fit(self, tensors: Sequence[Tensor]) -> SentColumns:
        """Return the columns; raise `UnfitTensors`."""
        for tensor in tensors:
            if len(tensor.shape) not in (1, 2):
                raise self._unfit(f"{_shown(tensor)} has {len(tensor.shape)} dimensions")
        if self._schema.form == "object":
            return self._fit_features(tensors)
        if len(tensors) != 1:
            raise self._unfit(f"there are {plural(len(tensors), 'tensor')}")
        tensor = tensors[0]
        if self._schema.form == "array":
            if tensor.width is None:
                raise self._unfit(f"{_shown(tensor)} has no columns")
            if self._width is None:
                return SentColumns({}, tensor.shape[0], tensor)
            if tensor.width != self._width:
                raise self._unfit(f"{_shown(tensor)} has {plural(tensor.width, 'column')}")
            return SentColumns(dict(enumerate(tensor.columns())), tensor.shape[0])
        if tensor.width not in (None, 1):
            raise self._unfit(f"{_shown(tensor)} has {plural(tensor.width or 0, 'column')}")
        return SentColumns({0: tensor.cells}, tensor.shape[0])

    def _fit_features(self, tensors: Sequence[Tensor]) -> SentColumns:
        if len(tensors) == 1 and (width := tensors[0].width) is not None and not self._is_feature(tensors[0].name):
            if width != len(self.names):
                raise self._unfit(f"{_shown(tensors[0])} has {plural(width, 'column')}")
            columns: dict[Key, Cells] = dict(zip(self.names, tensors[0].columns(), strict=True))
            return SentColumns(columns, tensors[0].shape[0])
        found: dict[Key, Cells] = {}
        counts = {}
        for tensor in tensors:
            if not self._is_feature(tensor.name):
                raise self._unfit(self._unknown(tensor))
            if tensor.width not in (None, 1):
                raise self._unfit(f"{_shown(tensor)} has {plural(tensor.width or 0, 'column')}")
            if tensor.name in found:
                raise self._unfit(f"there are two tensors {show(tensor.name)}")
            self._require_kind(tensor)
            found[tensor.name] = tensor.cells
            counts[tensor.name] = tensor.shape[0]
        if missing := [name for name in self._schema.required if name not in found]:
            raise self._unfit(f"there is no tensor for {first_words(missing, _MOST_NAMED)}")
        if len({*counts.values()}) > 1:
            lengths = first_words([f"{name} {count}" for name, count in counts.items()], _MOST_NAMED)
            raise self._unfit(f"the tensors have different numbers of rows: {lengths}")
        return SentColumns(found, next(iter(counts.values())))

    def _is_feature(self, name: str) -> bool:
        return self._is_open or name in self._known

    def _unknown(self, tensor: Tensor) -> str:
        near = nearest(tensor.name, self.names)
        hint = "" if near is None else f' (did you mean "{near}"?)'
        if tensor.width is None and tensor.shape[0] == len(self.names):
            hint = f"; the shape of one row is [1, {len(self.names)}]"
        return f"{show(tensor.name)} is not a feature{hint}"

    def _require_kind(self, tensor: Tensor) -> None:
        """Raise `UnfitTensors` for texts where a feature is never a text, and for others where it is always one."""
        part = self._schema.properties.get(tensor.name)
        if part is None or not part.types:
            return
        if tensor.datatype.kind != "text":
            if part.types <= _TEXTS:
                raise UnfitTensors(
                    f"the tensor {show(tensor.name)} is {tensor.datatype.name}, and the feature is a text; send BYTES"
                )
        # Texts may be JSON, as pandas' columns of several types are sent.
        elif part.types <= _NUMBERS and any(isinstance(cell, str) for cell in tensor.cells):
            raise UnfitTensors(
                f"the tensor {show(tensor.name)} is BYTES, and the feature is a number; send FP64 or INT64"
            )

    def _unfit(self, found: str) -> UnfitTensors:
        return UnfitTensors(f"{found}; {self.advice}")

    @property
    def advice(self) -> str:
        """Which tensors the model takes, in words."""
        match self._schema.form:
            case "object" if self._is_open:
                return "send one tensor of shape [n] for each feature"
            case "object":
                names = first_words(self.names, _MOST_NAMED)
                width = len(self.names)
                return (
                    "send one tensor of shape [n] or [n, 1] for each feature, or a single one of shape "
                    f"[n, {width}] under another name; the features are: {names}"
                )
            case "array":
                return f"send one tensor of shape [n, {'k' if self._width is None else self._width}]"
        kind = "texts, as BYTES" if self._schema.types == {"string"} else "values"
        return f"send one tensor of shape [n] or [n, 1], of {kind}"


def _shown(tensor: Tensor) -> str:
    return f"{show(tensor.name)} of shape {list(tensor.shape)}"
