"""Objects → arrays of numbers, or of cells as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from engine.models.data.dtypes import Dtype, Feature, float_rows, whole_rows

Convert = Callable[[Sequence[Any]], Any]


def array_kind(dtypes: Mapping[str, Dtype], features: Mapping[str, Feature]) -> str | None:
    """Return the one kind of all columns, None if there are several: numpy would turn them into floats."""
    kinds = {"float" if dtypes[name].kind == "object" else dtypes[name].kind for name in features}
    return kinds.pop() if len(kinds) == 1 else None


def rows_maker(names: Sequence[str | int], kind: str, *, single: bool) -> Callable[[list[Any]], Any]:
    """Return a function that makes an array of one kind from lists of cells."""
    if kind == "int":
        return lambda rows: whole_rows(rows, names)
    if kind == "bool":
        return lambda rows: np.array(rows, np.bool_)
    return float_rows(names, np.float32 if single else None)


def required_converter(order: tuple[str, ...], make: Callable[[list[Any]], Any]) -> Convert:
    """Use every feature as it is."""
    cells = _getter(order)

    def convert(instances: Sequence[Any]) -> Any:
        if len(instances) == 1:
            return make([cells(instances[0])])
        return make([cells(instance) for instance in instances])

    return convert


def _getter(order: Sequence[str]) -> Callable[[Any], Sequence[Any]]:
    return itemgetter(*order) if len(order) > 1 else lambda instance: (instance[order[0]],)


def filled_rows(missing: Mapping[str, Any]) -> Callable[[Sequence[Any]], list[Any]]:
    """Return a function that reads the cells of some features from instances, or their `missing` values."""
    cells, places = _getter([*missing]), [*missing.items()]

    def read(instances: Sequence[Any]) -> list[Any]:
        try:
            rows = [cells(instance) for instance in instances]
            if not any(None in row for row in rows):
                return rows
        except KeyError:
            pass
        return [
            [gap if (cell := instance.get(name)) is None else cell for name, gap in places] for instance in instances
        ]

    return read


def filled_converter(
    order: tuple[str, ...], missing: Mapping[str, Any], make: Callable[[list[Any]], Any], used: Mapping[str, Any]
) -> Convert:
    """Fill missing values; columns that are not `used` get only missing values."""
    if len(used) == len(order):
        read = filled_rows({name: missing[name] for name in order})
        return lambda instances: make(read(instances))
    places = [(name, missing[name]) for name in order]
    return lambda instances: make(
        [
            [gap if name not in used or (cell := instance.get(name)) is None else cell for name, gap in places]
            for instance in instances
        ]
    )


def cells_converter(order: tuple[str, ...], missing: Mapping[str, Any], used: set[str]) -> Convert:
    """Keep cells of any type; columns that are not `used` get only missing values."""

    def convert(instances: Sequence[Any]) -> Any:
        rows = np.empty((len(instances), len(order)), dtype=object)
        for row, instance in zip(rows, instances, strict=True):
            row[:] = [
                missing[name] if name not in used or (cell := instance.get(name)) is None else cell for name in order
            ]
        return rows

    return convert
