"""JSON instances → rows: an array, a table of named columns where some are texts, or a list of texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Literal

import numpy as np

from engine.errors import RefusedInstance, did_you_mean, plural
from engine.jsonschemas import MAX_REFERENCES, lookup, types_of
from engine.spec import Model

_NUMERIC = frozenset(("boolean", "number", "null"))
_NAN = float("nan")

Convert = Callable[[Sequence[Any]], Any]


Table = Mapping[str, Any]
"""Columns by name: float64 arrays, and arrays of objects where a column has texts."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an estimator was trained on: its `n_features_in_` and `feature_names_in_`, None where it has none.

    `by_name` says that it selects columns by their names, `none` that it knows a missing text as None, not NaN.
    """

    count: int | None = None
    names: tuple[str, ...] | None = None
    by_name: bool = False
    none: bool = False


@dataclass(frozen=True, slots=True)
class Columns:
    """How instances become rows: `convert` does it, `names` are the columns where they have names.

    `count` is their number, None where that is unknown; `form` tells an array from a table and from a list of
    texts; `texts` are the columns of a table that are not numbers; `gaps` tells whether a value may be missing.
    """

    convert: Convert
    names: tuple[str, ...] | None
    count: int | None
    form: Literal["array", "table", "texts"] = "array"
    texts: frozenset[str] = frozenset()
    gaps: bool = True


def columns(model: Model, wanted: Wanted) -> Columns:
    """Fit a model's input schema to what its estimator was trained on; raise `SpecError` where it does not."""
    count = wanted.count
    types = types_of(model.input.document, model.input.document)
    if types == {"object"}:
        return _object_columns(model, wanted)
    if types == {"array"}:
        if not wanted.by_name:  # else an array is the mistake, of whatever length
            _require_length(model, count)
        gaps = any("null" in types_of(part, model.input.document) for part in _array_parts(model))
        return Columns(_array_converter(model, count), None, count, gaps=gaps)
    if types == {"number"}:
        if count not in (None, 1):
            raise model.error(f"the model takes {count} features, and an instance that is a number is one", "input")
        return Columns(_to_column, None, 1, gaps=False)
    if types == {"string"}:
        if count is not None:
            what = f"the model takes {plural(count, 'feature')}, not texts; its input is an object or an array"
            raise model.error(what, "input", "type")
        return Columns(list, None, None, "texts", gaps=False)
    raise model.error(
        "the input must say what an instance is: type: object, array, number or string, one of them", "input", "type"
    )


def _object_columns(model: Model, wanted: Wanted) -> Columns:
    properties = model.input.document.get("properties", {})
    order = _column_order(model, tuple(properties), wanted.count, wanted.names)
    required = set(model.input.document.get("required", ()))
    types = {name: _feature_types(model, name) for name in order}
    defaults = {name: _default(model, name, properties[name]) for name in order}
    numeric = {name for name in order if types[name] <= _NUMERIC}
    if wanted.by_name or (wanted.names and len(numeric) < len(order)):
        texts = frozenset(name for name in order if name not in numeric or types[name] == {"boolean", "null"})
        missing = {name: _none(defaults[name]) if wanted.none and name in texts else defaults[name] for name in order}
        kinds = {
            name: bool if types[name] == {"boolean"} else object if name in texts else np.float64 for name in order
        }
        if any(name not in required for name in order):
            kinds = {name: np.float64 if kind is bool else kind for name, kind in kinds.items()}
        return Columns(_table_converter(order, kinds, missing), order, len(order), "table", texts)
    if len(numeric) < len(order):
        missing = {name: defaults[name] if name in numeric else _none(defaults[name]) for name in order}
        return Columns(_cells_converter(order, missing, object), order, len(order))
    if all(name in required and "null" not in types[name] for name in order):
        return Columns(_required_converter(order), order, len(order), gaps=False)
    return Columns(_cells_converter(order, defaults, np.float64), order, len(order))


def _column_order(
    model: Model, properties: tuple[str, ...], count: int | None, names: tuple[str, ...] | None
) -> tuple[str, ...]:
    """Decide the order of the columns: the model's own where it knows it, else the spec's."""
    where = ("features",) if model.features is not None else ("input", "properties")
    declared = model.features or properties
    if names is not None:
        for name in names:
            if name not in declared:
                known = did_you_mean(name, declared, "there are")
                raise model.error(
                    f'the model was trained with a feature "{name}", which is not among them {known}', *where
                )
        if model.features is not None and len(declared) > len(names):
            extra = next(name for name in declared if name not in names)
            raise model.error(
                f'the model was trained without a feature "{extra}" (its features are: {", ".join(names)})',
                *where,
                declared.index(extra),
            )
        return names
    if not declared:
        raise model.error("the input has no properties to make columns of", "input")
    if count is not None and count != len(declared):
        raise model.error(
            f"the model takes {plural(count, 'feature')}, and these are {len(declared)}: {', '.join(declared)}", *where
        )
    return declared


def _feature_types(model: Model, name: str) -> frozenset[str]:
    types = types_of(model.input.document["properties"][name], model.input.document)
    if types & {"array", "object"}:
        raise model.error(
            f'the feature "{name}" may be an array or an object, which is no column; '
            "give it a type: number, integer, boolean or string",
            *("input", "properties", name),
        )
    return types


def _default(model: Model, name: str, schema: Any) -> Any:
    """Give a feature's default, or its missing value: NaN."""
    for _ in range(MAX_REFERENCES):
        reference = schema.get("$ref") if isinstance(schema, Mapping) and "default" not in schema else None
        if not isinstance(reference, str) or not reference.startswith("#/"):
            break
        schema = lookup(model.input.document, reference)
    default = schema.get("default") if isinstance(schema, Mapping) else None
    if default is None:
        return _NAN
    where = ("input", "properties", name, "default")
    if isinstance(default, list | dict):
        raise model.error("a default that is an array or an object cannot become a column", *where)
    if isinstance(default, int) and abs(default) > 2**1023:
        raise model.error("this default is too large for a column", *where)
    return default


def _none(default: Any) -> Any:
    """Give the missing value of a column of texts in an array, which is None."""
    return None if default is _NAN else default


def _required_converter(order: tuple[str, ...]) -> Convert:
    cells = itemgetter(*order) if len(order) > 1 else lambda instance: (instance[order[0]],)

    def convert(instances: Sequence[Any]) -> Any:
        return np.array([cells(instance) for instance in instances], dtype=np.float64)

    return convert


def _cells_converter(order: tuple[str, ...], missing: Mapping[str, Any], dtype: Any) -> Convert:
    def convert(instances: Sequence[Any]) -> Any:
        rows = np.empty((len(instances), len(order)), dtype=dtype)
        for row, instance in zip(rows, instances, strict=True):
            row[:] = [missing[name] if (cell := instance.get(name)) is None else cell for name in order]
        return rows

    return convert


def _table_converter(order: tuple[str, ...], kinds: Mapping[str, Any], missing: Mapping[str, Any]) -> Convert:
    def convert(instances: Sequence[Any]) -> Table:
        return {
            name: np.array(
                [missing[name] if (cell := instance.get(name)) is None else cell for instance in instances], kinds[name]
            )
            for name in order
        }

    return convert


def _array_parts(model: Model) -> list[Any]:
    """Give the schemas of an array's items."""
    item = model.input.document.get("items", True)
    return [*model.input.document.get("prefixItems", ()), *([item] if item is not False else [])]


def _require_length(model: Model, count: int | None) -> None:
    """Raise `SpecError` where no array that the schema allows has as many items as the model takes."""
    document = model.input.document
    if count is not None and document.get("maxItems", count) < count:
        allowed = f"maxItems allows at most {document['maxItems']}"
        raise model.error(f"the model takes {plural(count, 'feature')}, and {allowed}", "input", "maxItems")
    if count is not None and document.get("minItems", count) > count:
        required = f"minItems requires at least {document['minItems']}"
        raise model.error(f"the model takes {plural(count, 'feature')}, and {required}", "input", "minItems")


def _array_converter(model: Model, count: int | None) -> Convert:
    if any(not types_of(part, model.input.document) <= _NUMERIC for part in _array_parts(model)):
        raise model.error(
            "an instance that is an array is a row of numbers; say items: {type: number}", "input", "items"
        )

    def convert(instances: Sequence[Any]) -> Any:
        width = count if count is not None else len(instances[0])
        for row, instance in enumerate(instances):
            if len(instance) != width:
                raise RefusedInstance(row, f"{plural(len(instance), 'feature')}, and the model takes {width}")
        return np.array([[_NAN if cell is None else cell for cell in instance] for instance in instances], np.float64)

    return convert


def _to_column(instances: Sequence[Any]) -> Any:
    return np.array(instances, dtype=np.float64).reshape(-1, 1)
