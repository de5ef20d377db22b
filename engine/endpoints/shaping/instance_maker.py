"""Values of requests → a model's instances, as `instance` says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf
from typing import Any

from engine.endpoints.bodies.filling import shape_value
from engine.endpoints.instance_reader import Asked
from engine.endpoints.requests.values import ABSENT, Values, read_name, read_reference
from engine.schema import Violation
from engine.spec import Model, Name, Names, Reference, lone_reference

_PARTS = {"path": "path", "query": "query", "headers": "header", "cookies": "cookie"}
_ALL = ""  # the feature's name where one reference makes the whole instance
_LEAST, _MOST = -(2**63), 2**64 - 1  # of integers beyond these, models take the nearest float
_Reads = Callable[[Values], Any]


class InstanceMaker:
    """Makes instances of the values of requests, and finds the place in a request that a feature comes from."""

    def __init__(self, instance: Any, names: Names, model: Model) -> None:
        self._sources = {key: reference.name for key, reference in references_in(instance).items()}
        is_object = isinstance(instance, Mapping) and model.input.instance.form == "object"
        self.make = _make_features(instance, names, model) if is_object else _make_whole(instance, names)
        self.uses_of_body = sum(name.root == "body" for name in self._sources.values())

    def place(self, violation: Violation, asked: Asked, row: int) -> Violation:
        """Return a violation of an instance at the place of the request that its feature comes from."""
        rest = violation.path
        if _ALL in self._sources:
            key = _ALL
        elif rest or violation.name:
            key, rest = str(rest[0]) if rest else violation.name, rest[1:]
        else:
            return replace(violation, path=asked.where(row))
        source = self._sources.get(key)
        if source is None or source.root not in (*_PARTS, "body"):
            return replace(violation, path=asked.where(row), verdict=f"in the feature {key}: {violation.verdict}")
        return _moved(violation, asked, row, source, rest)


def _moved(violation: Violation, asked: Asked, row: int, source: Name, rest: tuple[str | int, ...]) -> Violation:
    """Return a violation at the place of a name, and from there on by the `rest` of its own path."""
    part = _PARTS.get(source.root, "")
    begin = () if part else asked.where(row)
    steps = (source.spelled or source.steps[0],) if source.root == "headers" else source.steps
    return replace(violation, path=(*begin, *steps, *rest), part=part)


def references_in(instance: Any) -> Mapping[str, Reference]:
    """Return the references that are each alone a feature, by its name or position, or the whole instance."""
    if isinstance(instance, Mapping):
        pairs = [*instance.items()]
    elif isinstance(instance, list):
        pairs = [(str(place), value) for place, value in enumerate(instance)]
    else:
        pairs = [(_ALL, instance)]
    return {key: found for key, value in pairs if (found := lone_reference(value)) is not None}


def _make_whole(instance: Any, names: Names) -> _Reads:
    shape = shape_value(instance, names)
    return shape if callable(shape) else lambda _: shape


def _as_float(value: int) -> float:
    """Return an integer beyond 64 bits as the nearest float64, which is infinite if it is beyond these too."""
    try:
        return float(value)
    except OverflowError:
        return inf if value > 0 else -inf


def _make_features(instance: Mapping[str, Any], names: Names, model: Model) -> _Reads:
    """Prepare an object, from which a feature that the model does not need is absent where its reference is."""
    schema = model.input.instance
    readers: list[tuple[str, _Reads]] = []
    fixed: dict[str, Any] = {}
    for key, value in instance.items():
        is_free = key not in schema.required or schema.feature(key).default is not None
        reference = lone_reference(value)
        if reference is not None and is_free and reference.default is None:
            readers.append((key, read_name(reference.name, names)))
        elif reference is not None:
            readers.append((key, read_reference(reference, names)))
        elif callable(shape := shape_value(value, names)):
            readers.append((key, shape))
        else:
            fixed[key] = shape

    def make(values: Values) -> dict[str, Any]:
        made = dict(fixed)
        for key, read in readers:
            value = read(values)
            if value is not ABSENT:
                made[key] = value if type(value) is not int or _LEAST <= value <= _MOST else _as_float(value)
        return made

    return make
