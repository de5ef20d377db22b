"""skrub's vectorizers of tables → steps on each of their columns."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from engine.models.lowering.frames.columns import apart, lookup
from engine.models.lowering.result import NotLowered, Steps
from engine.models.runtime import steps as s

Columns = list[tuple[Steps, int]]
"""The branches that read one column, each with the number of columns that it makes."""

_TABLES = ("TableVectorizer", "Cleaner")
_WITHOUT_EFFECT = ("DropUninformative", "PassThrough", "ShortReprDict", "ToDatetime", "ToStr", "CleanNullStrings")
_NULL_STRINGS = "CleanNullStrings"
_OTHER = "engine: a category that nobody has"


def lower_skrub(step: Any, lower: Callable[[Any], Steps]) -> Steps | None:  # noqa: ARG001 - one shape for all
    """Lower a transformer of skrub, None if it is none; raise `NotLowered`."""
    kind = type(step)
    if not kind.__module__.startswith("skrub."):
        return None
    if kind.__name__ in _TABLES:
        parts = step.all_processing_steps_
    elif kind.__name__ == "ApplyToCols" and hasattr(step, "transformers_") and not step.keep_original:
        parts = {name: [one] for name, one in step.transformers_.items()}
    else:
        raise NotLowered(f"skrub's {kind.__name__}")
    made = step.input_to_outputs_
    names = list(step.feature_names_in_)
    order = [output for name in names for output in made.get(name, [] if name in parts else [name])]
    if list(step.all_outputs_) != order:
        raise NotLowered(f"skrub's {kind.__name__} whose columns are in another order")
    columns: list[Any] = []
    for place, name in enumerate(names):
        if name not in parts:
            columns.append(((place,), (), 1))
        elif made.get(name):
            columns += [((place,), steps, width) for steps, width in _branches(parts[name])]
    return (apart(columns),)


def _branches(parts: list[Any]) -> Columns:
    """Return the branches of one column, which passes some transformers: only the last of them changes much."""
    null_strings = next((part for part in parts if type(part).__name__ == _NULL_STRINGS), None)
    changing = [part for part in parts if type(part).__name__ not in _WITHOUT_EFFECT]
    if not changing:
        return [((), 1)]
    if len(changing) > 1:
        raise NotLowered(f"skrub with {type(changing[0]).__name__} before {type(changing[1]).__name__}")
    lower = _BY_NAME.get(type(changing[0]).__name__)
    if lower is None:
        raise NotLowered(f"skrub with {type(changing[0]).__name__}")
    return lower(changing[0], null_strings)


def _floats(step: Any, null_strings: Any) -> Columns:  # noqa: ARG001 - the shape of the table
    if null_strings is not None:
        raise NotLowered("skrub with numbers that are texts")
    return [((s.Numbers(), s.Single()), 1)]


def _one_hot(step: Any, null_strings: Any) -> Columns:
    import pandas as pd  # noqa: PLC0415 - skrub needs it

    known = [value for value in step.categories_[0].tolist() if value is not None and value == value]  # noqa: PLR0124
    if len(step.categories_) != 1 or not all(isinstance(value, str) for value in known):
        raise NotLowered("skrub with categories that are no texts")
    names = getattr(step, "feature_names_in_", ["x"])
    rows = [np.asarray(step.transform(pd.DataFrame({names[0]: [known[0], one]})))[1].tolist() for one in (None, _OTHER)]
    found = np.asarray(step.transform(pd.DataFrame({names[0]: known})))
    table = lookup(known, found, (rows[0], rows[1]))
    blank = replace(table, blanks=_nulls(null_strings), found=table.found.astype(found.dtype))
    return [((blank,), found.shape[1])]


def _nulls(null_strings: Any) -> tuple[str, ...] | None:
    """Return the texts that are missing values, None if there are none."""
    if null_strings is None:
        return None
    usual = getattr(sys.modules[type(null_strings).__module__], "STR_NA_VALUES", None)
    own = getattr(null_strings, "null_strings", None) or ()
    if usual is None:
        raise NotLowered("skrub whose texts for missing values are not known")
    return tuple(sorted({*usual, *((own,) if isinstance(own, str) else own)}))


def _times(step: Any, null_strings: Any) -> Columns:  # noqa: ARG001 - the shape of the table
    plain = [name for name in step.extracted_features_ if name not in step._periodic_encoders]  # noqa: SLF001
    branches: Columns = [((s.Times(), _parts(plain, "float32")), len(plain))] if plain else []
    for name, periodic in step._periodic_encoders.items():  # noqa: SLF001 - there is no public way
        if not hasattr(periodic, "period") or hasattr(periodic, "transformer_"):
            raise NotLowered("skrub's DatetimeEncoder with splines")
        angle: Steps = (s.Times(), _parts([name], "float64"), s.Numbers())
        for function, by in (("divide", periodic.period), ("multiply", 2.0), ("multiply", np.pi)):
            angle = (*angle, s.Arithmetic(function, np.array(float(by))))
        branches += [((*angle, s.Elementwise(form)), 1) for form in ("sin", "cos")]
    return branches


def _parts(names: list[str], dtype: str) -> s.TimeParts:
    parts = tuple("isoweekday" if name == "weekday" else name for name in names)
    return s.TimeParts(parts, np.full(len(parts), np.nan), dtype)


_BY_NAME: Mapping[str, Callable[[Any, Any], Columns]] = {
    "DatetimeEncoder": _times,
    "OneHotEncoder": _one_hot,
    "ToFloat": _floats,
}
