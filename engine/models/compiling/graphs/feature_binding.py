"""The features of an entry → the inputs of its graph: which go where, and whether their types fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.diagnostics import Diagnostic
from engine.errors import SpecError
from engine.models.compiling.graphs.graph_inputs import MOST_NAMED, GraphInput, as_identifier, show_inputs
from engine.models.data.dtypes import NAN, Dtype, Feature
from engine.models.data.features import default_of, feature_of
from engine.models.data.instances import Columns, TrainedInput, fit_columns
from engine.models.runtime.graph_columns import TensorInput
from engine.schema import show
from engine.spec import FileModel
from engine.text import first_words, join_words

_NUMBERS = frozenset(("boolean", "null", "number"))


@dataclass(frozen=True, slots=True)
class FittedInputs:
    """How instances become what a graph takes: `tensors` for a table of columns, none for an array or for texts."""

    wanted: TrainedInput
    columns: Columns
    tensors: tuple[TensorInput, ...] = ()
    whole: tuple[int, ...] = ()


def fit_inputs(model: FileModel, inputs: tuple[GraphInput, ...]) -> FittedInputs:
    """Fit an entry's input to those of its graph; raise `SpecError` if it does not."""
    first, types = inputs[0], model.input.instance.types
    if model.rows in ("table", "mappings") or (model.rows == "array" and len(inputs) > 1):
        raise model.error("rows is for estimators of Python; a graph takes the tensors of its inputs", "rows")
    if types == {"object"} and (len(inputs) > 1 or first.kind != "float" or first.is_flat):
        return _fit_columns(model, inputs)
    if len(inputs) > 1:
        raise model.error(
            f"the graph has {len(inputs)} inputs ({show_inputs(inputs)}); its input must be an object, with a feature "
            "for each column",
            "input",
            "type",
        )
    is_text = first.kind == "string"
    if is_text and first.width not in (None, 1):
        wants = f"the graph takes {first.width} texts; its input is an object with a feature for each"
        raise model.error(wants, "input", "type")
    wanted = TrainedInput(count=None if is_text else first.width, casts=first.kind == "float")
    columns = fit_columns(model, wanted)
    if is_text != (columns.form == "texts"):
        wants = "texts; its input is of type string" if is_text else "numbers; its input is an object or an array"
        raise model.error(f"the graph takes {wants}", "input", "type")
    return FittedInputs(wanted, columns, whole=_require_kind(model, first, columns))


def _require_kind(model: FileModel, one: GraphInput, columns: Columns) -> tuple[int, ...]:
    """Raise `SpecError` if an array of numbers does not fit a graph's only input; return the columns of integers."""
    instance = model.input.instance
    if one.kind == "string":
        return ()
    parts = [*instance.prefix, instance.items] if instance.form == "array" else [instance]
    if instance.form == "object":
        parts = [instance.properties[name] for name in columns.names or ()]
    parts = [part for part in parts if part.schema is not False]
    is_whole = [part.is_whole and "number" in part.types for part in parts]
    if one.kind == "float":
        return tuple(place for place, whole in enumerate(is_whole) if whole) if instance.form == "object" else ()
    wanted, noun = ("integer", f"integers ({one.dtype})") if one.kind == "int" else ("boolean", "booleans")
    fits = all(is_whole) if one.kind == "int" else all(part.types == {"boolean"} for part in parts)
    if not fits or any(part.is_nullable for part in parts):
        where = ("input", "items") if instance.form == "array" else ("input", "type")
        raise model.error(f"the graph takes {noun} that are never missing; declare type: {wanted}", *where)
    return ()


def _fit_columns(model: FileModel, inputs: tuple[GraphInput, ...]) -> FittedInputs:
    if model.dtypes:
        raise model.error(f"a graph has dtypes of its own ({show_inputs(inputs)}); remove these", "dtypes")
    bound = bind_features(model, inputs)
    is_named = all(len(names) == 1 for names in bound.values()) and len(inputs) > 1
    taken = [name for names in bound.values() for name in names]
    order = tuple(taken) if is_named else tuple(name for name in _declared(model) if name in taken)
    features = _require_types(model, inputs, bound)
    kinds = {name: one.kind for one in inputs for name in bound[one.name]}
    wanted = TrainedInput(
        count=len(order),
        names=order if is_named else None,
        by_name=True,
        casts=False,
        dtypes={name: Dtype(kinds[name]) for name in order},
    )
    places = {name: place for place, name in enumerate(order)}
    tensors = tuple(
        TensorInput(
            one.name,
            one.dtype,
            tuple(places[name] for name in bound[one.name]),
            one.is_flat,
            tuple(places[name] for name in bound[one.name] if features[name].whole and one.kind == "float"),
        )
        for one in inputs
    )
    return FittedInputs(wanted, fit_columns(model, wanted), tensors)


def _require_types(
    model: FileModel, inputs: Sequence[GraphInput], bound: Mapping[str, Sequence[str]]
) -> dict[str, Feature]:
    """Return all features, by their names; raise `SpecError` for each that its input cannot hold."""
    features: dict[str, Feature] = {}
    found: list[Diagnostic] = []
    for one in inputs:
        for name in bound[one.name]:
            try:
                features[name] = _require_type(model, one, name)
            except SpecError as error:
                found += error.diagnostics
    if found:
        raise SpecError(found)
    return features


def _require_type(model: FileModel, one: GraphInput, name: str) -> Feature:
    """Return a feature that a graph's input can hold; raise `SpecError` at its declaration if it cannot."""
    default = default_of(model, name)
    feature = feature_of(model, name, default, required=name in model.input.instance.required)
    types, where = feature.types - {"null"}, ("input", "properties", name)
    wanted = {
        "float": ("number", f"numbers ({one.dtype})", types <= _NUMBERS),
        "int": (
            "integer",
            f"integers ({one.dtype})",
            types == {"number"} and model.input.instance.properties[name].is_whole,
        ),
        "bool": ("boolean", "booleans", types == {"boolean"}),
        "string": ("string", "texts", types == {"string"}),
    }
    kind, noun, fits = wanted[one.kind]
    if not fits:
        raise model.error(
            f'the input {show(one.name)} of the graph takes {noun}; declare "{name}" with type: {kind}', *where
        )
    if feature.gaps and one.kind != "float":
        raise model.error(
            f'the input {show(one.name)} of the graph takes {noun}, which cannot be missing; require "{name}" and do '
            "not allow null, or give it a default",
            *where,
        )
    if one.kind == "int" and default is not NAN:
        limits = np.iinfo(one.dtype)
        if default != int(default) or not limits.min <= default <= limits.max:
            raise model.error(
                f"the input {show(one.name)} of the graph cannot hold {show(default)} ({one.dtype})", *where, "default"
            )
    return feature


def bind_features(model: FileModel, inputs: Sequence[GraphInput]) -> dict[str, tuple[str, ...]]:
    """Return the features that go into each input of a graph; raise `SpecError` with both lists if they do not fit.

    An input of one column takes the feature of its name, which a converter may have changed into one of an identifier.
    Those of several columns take the other features, in their order.
    """
    declared = _declared(model)
    bound: dict[str, tuple[str, ...]] = {}
    if len(inputs) > 1:
        for one in inputs:
            if one.width in (None, 1) and (name := _named(one.name, declared)) is not None:
                bound[one.name] = (name,)
    taken = {name for names in bound.values() for name in names}
    if len(taken) < len(bound):
        raise _misfit(model, inputs, "two inputs have the name of one feature")
    rest = [name for name in declared if name not in taken]
    wide = [one for one in inputs if one.name not in bound]
    if len(inputs) > 1 and (lacking := [one.name for one in wide if one.width == 1]):
        raise _misfit(model, inputs, f"there is no feature for {join_words([*map(show, lacking[:MOST_NAMED])], 'and')}")
    if not wide:
        if rest and model.features is not None:
            raise _misfit(model, inputs, f"there is no input for {join_words([*map(show, rest[:MOST_NAMED])], 'and')}")
        return bound
    return bound | _in_order(model, inputs, wide, rest)


def _in_order(
    model: FileModel, inputs: Sequence[GraphInput], wide: Sequence[GraphInput], rest: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """Give features to the inputs of several columns."""
    known = sum(one.width or 0 for one in wide)
    open_ended = [one.name for one in wide if one.width is None]
    if len(open_ended) > 1:
        names = join_words([*map(show, open_ended[:MOST_NAMED])], "and")
        raise _misfit(
            model, inputs, f"how many columns {names} have is not declared, so give them a width in the export"
        )
    left = len(rest) - known
    if left < 0 or (left > 0) != bool(open_ended):
        names = join_words([show(one.name) for one in wide], "and")
        takes = f"{'take' if len(wide) > 1 else 'takes'} {known}{' or more' * bool(open_ended)} features"
        which = "" if len(wide) == len(inputs) else " that are no inputs by themselves"
        there = f"there {'is' if len(rest) == 1 else 'are'} {len(rest)}"
        raise _misfit(model, inputs, f"{names} {takes}{which}, and {there}")
    waiting = iter(rest)
    return {one.name: tuple(next(waiting) for _ in range(left if one.width is None else one.width)) for one in wide}


def _declared(model: FileModel) -> tuple[str, ...]:
    return model.features or tuple(model.input.instance.properties)


def _named(name: str, declared: Sequence[str]) -> str | None:
    """Find the feature of an input's name, else the only one that a converter would call so."""
    if name in declared:
        return name
    alike = [one for one in declared if as_identifier(one) == as_identifier(name)]
    return alike[0] if len(alike) == 1 else None


def _misfit(model: FileModel, inputs: Sequence[GraphInput], why: str) -> SpecError:
    where = ("features",) if model.features is not None else ("input", "properties")
    features = first_words(_declared(model), MOST_NAMED) or "none"
    return model.error(
        f"the graph takes {show_inputs(inputs)}, and the features are {features}: {why}; name features as their inputs",
        *where,
    )
