"""JSON instances → rows: an array, a table of columns with their dtypes, objects as they are, or a list of texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from engine.diagnostics import Diagnostic
from engine.errors import RefusedInstance, SpecError
from engine.models.data.bulk import TEXTS, Bulk, array_bulk, cells_bulk, table_bulk
from engine.models.data.cells_to_arrays import (
    Convert,
    array_kind,
    cells_converter,
    filled_converter,
    filled_rows,
    required_converter,
    rows_maker,
)
from engine.models.data.dtypes import NAN, Dtype, Feature, Table, column_makers, from_schema
from engine.models.data.features import default_of, dtype_of_column, feature_of
from engine.models.data.plain_tables import plain_columns
from engine.schema import Subschema
from engine.spec import FileModel
from engine.text import did_you_mean, nearest, plural

_NUMERIC = frozenset(("boolean", "number", "null"))
_PLAIN = ("bool", "float", "int", "object")  # types that an array can hold

Form = Literal["array", "table", "mappings"]


@dataclass(frozen=True, slots=True)
class TrainedInput:
    """An estimator's training input: its `n_features_in_` and `feature_names_in_`, None if it has none.

    `by_name` says that it selects columns by their names, `none` that it was trained on None, not NaN, for a missing
    text. `casts` says that it turns all numbers into floats, and `single` that it was trained on float32. `rows` is the
    form of rows that it was found to take, None for the usual one. `dtypes` are the known ones of its columns, by name,
    and `unused` are the columns that none of its parts uses.
    """

    count: int | None = None
    names: tuple[str, ...] | None = None
    by_name: bool = False
    none: bool = False
    casts: bool = True
    single: bool = False
    rows: Form | None = None
    dtypes: Mapping[str, Dtype] = field(default_factory=dict)
    unused: tuple[str, ...] = ()

    @classmethod
    def restored(cls, facts: Mapping[str, Any]) -> TrainedInput:
        """Make the record from its JSON form."""
        dtypes = {name: Dtype.restored(dtype) for name, dtype in facts["dtypes"].items()}
        names = None if facts["names"] is None else tuple(facts["names"])
        return cls(**{**facts, "names": names, "dtypes": dtypes, "unused": tuple(facts["unused"])})


@dataclass(frozen=True, slots=True)
class Columns:
    """Turns instances into rows with `convert`; `names` are those of the columns, if they have any.

    `count` is their number, None if unknown; `form` is an array, a table, objects as they are or a list of texts;
    `dtypes` are those of the columns. `bulk` makes the same rows of whole columns, if it can.
    """

    convert: Convert
    names: tuple[str, ...] | None
    count: int | None
    form: Literal["array", "table", "mappings", "texts"] = "array"
    dtypes: Mapping[str, Dtype] = field(default_factory=dict)
    bulk: Bulk | None = None


def fit_columns(model: FileModel, wanted: TrainedInput) -> Columns:
    """Fit a model's input schema to what its estimator was trained on; raise `SpecError` if it does not."""
    count, instance = wanted.count, model.input.instance
    types = instance.types
    if types == {"object"}:
        return _object_columns(model, wanted)
    if model.rows in ("table", "mappings"):
        raise model.error(f"rows: {model.rows} is for instances that are objects", "rows")
    if types == {"array"}:
        if not wanted.by_name:  # otherwise an array, of any length, is the mistake
            _require_length(model, count)
        kind = _kind_of_items(model, wanted)
        places = range(count or 0)
        bulk = array_bulk(places, dict.fromkeys(places, NAN), places, kind, single=wanted.single) if count else None
        return Columns(_array_converter(model, wanted, kind), None, count, bulk=bulk)
    if types == {"number"}:
        if count not in (None, 1):
            raise model.error(f"the model takes {count} features, but a number is only one", "input")
        kind = "int" if instance.is_whole and not wanted.casts else "float"
        make = rows_maker(("the number",), kind, single=wanted.single)
        convert = lambda instances: make([(cell,) for cell in instances])  # noqa: E731
        bulk = array_bulk((0,), {0: NAN}, (0,), kind, single=wanted.single)
        return Columns(convert, None, 1, bulk=bulk)
    if types == {"string"}:
        if count is not None:
            what = f"the model takes {plural(count, 'feature')}, not texts; its input must be an object or an array"
            raise model.error(what, "input", "type")
        return Columns(list, None, None, "texts", bulk=TEXTS)
    raise model.error(
        "the input must declare what an instance is: one of type: object, array, number or string", "input", "type"
    )


def _object_columns(model: FileModel, wanted: TrainedInput) -> Columns:
    rows = model.rows if model.rows != "auto" else wanted.rows
    defaults = {name: default_of(model, name) for name in model.input.instance.properties}
    if rows == "mappings":
        return _mappings(defaults)
    order = column_order(model, wanted)
    required, unused = model.input.instance.required, frozenset(wanted.unused)
    features = {
        name: feature_of(model, name, defaults[name], required=name in required) for name in order if name not in unused
    }
    dtypes = dict.fromkeys(order, Dtype("object")) | {
        name: dtype_of_column(model, wanted.dtypes.get(name), name, feature) for name, feature in features.items()
    }
    numeric = all(feature.types <= _NUMERIC for feature in features.values())
    is_table = wanted.by_name or any(name in model.dtypes and dtypes[name].kind not in _PLAIN for name in order)
    if wanted.names and not is_table:
        is_table = not numeric or (not wanted.casts and array_kind(dtypes, features) is None)
    if rows == "table" or (rows is None and is_table):
        return _table(wanted, dtypes, features, defaults)
    return _array(wanted, dtypes, features, defaults)


def _mappings(defaults: Mapping[str, Any]) -> Columns:
    """Leave objects as they are, except for absent features with a default."""
    filled = {name: default for name, default in defaults.items() if default is not NAN}

    def convert(instances: Sequence[Any]) -> Any:
        return [{**filled, **instance} for instance in instances]

    return Columns(convert, tuple(defaults), len(defaults), "mappings")


def _table(
    wanted: TrainedInput, dtypes: Mapping[str, Dtype], features: Mapping[str, Feature], defaults: Mapping[str, Any]
) -> Columns:
    order = tuple(dtypes)
    objects = frozenset(name for name in order if dtypes[name].kind in ("object", "string"))
    missing = {name: _none(defaults[name]) if wanted.none and name in objects else defaults[name] for name in order}
    groups = [
        (names, filled_rows({name: missing[name] for name in names}), make)
        for names, make in column_makers({name: dtypes[name] for name in features})
    ]
    has_unused = len(features) < len(order)
    plain = None if has_unused else plain_columns(dtypes)

    def convert(instances: Sequence[Any]) -> Table:
        if plain is not None and (columns := plain(instances)) is not None:
            return Table(columns, dtypes)
        made: dict[str, Any] = {}
        for names, read, make in groups:
            made.update(zip(names, make(read(instances)), strict=True))
        nothing = np.full(len(instances), None, object) if has_unused else None
        return Table({name: made.get(name, nothing) for name in order}, dtypes)

    bulk = table_bulk(dtypes, missing, features)
    return Columns(convert, order, len(order), "table", dtypes=dtypes, bulk=bulk)


def _array(
    wanted: TrainedInput, dtypes: Mapping[str, Dtype], features: Mapping[str, Feature], defaults: Mapping[str, Any]
) -> Columns:
    order = tuple(dtypes)
    if any(not feature.types <= _NUMERIC for feature in features.values()):
        missing = {
            name: defaults[name] if name in features and features[name].types <= _NUMERIC else _none(defaults[name])
            for name in order
        }
        convert, bulk = cells_converter(order, missing, set(features)), cells_bulk(order, missing, set(features))
        return Columns(convert, order, len(order), dtypes=dtypes, bulk=bulk)
    kind = "float" if wanted.casts else array_kind(dtypes, features) or "float"
    gaps = len(features) < len(order) or any(feature.gaps for feature in features.values())
    make = rows_maker(order, kind, single=wanted.single)
    if kind != "float":
        defaults = {name: defaults[name] if name in features else 0 for name in order}
    is_whole_row = not gaps and all(defaults[name] is NAN for name in order)
    convert = required_converter(order, make) if is_whole_row else filled_converter(order, defaults, make, features)
    by_columns = array_bulk(order, defaults, features, kind, single=wanted.single)
    return Columns(convert, order, len(order), dtypes=dtypes, bulk=by_columns)


def _lacking(
    model: FileModel, name: str, declared: Sequence[str], names: Sequence[str], where: tuple[str, ...]
) -> Diagnostic:
    """Say that a feature is not declared: at the name that was probably meant to be it, else at their key."""
    hint, at = did_you_mean(name, declared, "declared"), model.node.follow(where)
    meant = nearest(name, declared)
    if meant is not None and meant not in names:
        named = at[list(declared).index(meant)] if model.features is not None else at.key(meant)
        return named.error(f'the model was trained without a feature "{meant}" (did you mean "{name}"?)')
    lack = f'the model was trained with a feature "{name}"; declare it under {where[-1]} {hint}'
    return model.node.follow(where[:-1]).key(where[-1]).error(lack)


def column_order(model: FileModel, wanted: TrainedInput) -> tuple[str, ...]:
    """Decide the order of the columns: the model's own if it is known, else the spec's; raise `SpecError`."""
    properties, count, names = tuple(model.input.instance.properties), wanted.count, wanted.names
    where = ("features",) if model.features is not None else ("input", "properties")
    declared = model.features or properties
    if names is not None:
        known = frozenset(declared)
        for name in names:
            if name not in known:
                raise SpecError([_lacking(model, name, declared, names, where)])
        if model.features is not None and len(declared) > len(names):
            extra = next(name for name in declared if name not in names)
            raise model.error(
                f'the model was trained without a feature "{extra}" (its features are: {", ".join(names)})',
                *where,
                declared.index(extra),
            )
        return names
    if not declared:
        raise model.error("the input has no properties to use as columns", "input")
    if count is not None and count != len(declared):
        raise model.error(
            f"the model takes {plural(count, 'feature')}, but these are {len(declared)}: {', '.join(declared)}", *where
        )
    return declared


def _none(default: Any) -> Any:
    """Return the missing value of a column of texts in an array, which is None."""
    return None if default is NAN else default


def _array_parts(model: FileModel) -> list[Subschema]:
    """Return the schemas of an array's items."""
    instance = model.input.instance
    return [*instance.prefix, *([instance.items] if instance.items.schema is not False else [])]


def _require_length(model: FileModel, count: int | None) -> None:
    """Raise `SpecError` if no array that the schema allows has as many items as the model takes."""
    least, most = model.input.instance.least_items, model.input.instance.most_items
    if count is not None and most is not None and most < count:
        allowed = f"maxItems allows at most {most}"
        raise model.error(f"the model takes {plural(count, 'feature')}, but {allowed}", "input", "maxItems")
    if count is not None and least > count:
        required = f"minItems requires at least {least}"
        raise model.error(f"the model takes {plural(count, 'feature')}, but {required}", "input", "minItems")


def _kind_of_items(model: FileModel, wanted: TrainedInput) -> str:
    """Return the one kind of an array's items; several kinds become floats; raise `SpecError` for texts."""
    parts = _array_parts(model)
    if any(not part.types <= _NUMERIC for part in parts):
        raise model.error(
            "an instance that is an array is a row of numbers; say items: {type: number}", "input", "items"
        )
    kinds = {from_schema(Feature(part.types, part.is_whole, gaps=part.is_nullable)).kind for part in parts}
    kind = kinds.pop() if len(kinds) == 1 and not wanted.casts else "float"
    return kind if kind in ("int", "bool") else "float"


def _array_converter(model: FileModel, wanted: TrainedInput, kind: str) -> Convert:
    count, gaps = wanted.count, any(part.is_nullable for part in _array_parts(model))

    def convert(instances: Sequence[Any]) -> Any:
        width = count if count is not None else len(instances[0])
        for row, instance in enumerate(instances):
            if len(instance) != width:
                raise RefusedInstance(row, f"{plural(len(instance), 'feature')}, but the model takes {width}")
        if gaps:
            instances = [[NAN if cell is None else cell for cell in instance] for instance in instances]
        return make(list(instances))

    make = rows_maker(range(count or 0), kind, single=wanted.single)
    return convert
