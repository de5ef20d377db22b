"""Feature-engine's transformers → steps on the columns that they change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from engine.models.lowering.frames.columns import apart, changed, lookup, objects
from engine.models.lowering.result import NotLowered, Steps
from engine.models.runtime import steps as s

_GAP = "Some of the variables in the dataset contain NaN."
_UNSEEN = "During the encoding, NaN values were introduced in a feature."
_NOT_POSITIVE = "Some variables contain zero or negative values, can't apply log."
_PARTS = {"day_of_week": "weekday", "day_of_month": "day"}
# What its functions make of no time: comparisons with NaN are false, and 2 or 1 is their second choice.
_OF_NO_TIME = {"semester": 2.0, "weekend": 1.0, **dict.fromkeys(("leap_year", "month_start", "month_end"), 0.0)}
_OF_NO_TIME |= dict.fromkeys(("quarter_start", "quarter_end", "year_start", "year_end"), 0.0)
_NOT_OF_NO_TIME = ("week", "days_in_month")


def _imputed(step: Any) -> Steps:
    fills: dict[str, Steps] = {}
    for name, value in step.imputer_dict_.items():
        is_number = isinstance(value, int | float | np.number)
        fills[name] = (s.Fill(np.array([value], np.float64) if is_number else objects([value])),)
    return (changed(step.feature_names_in_, fills),)


def _indicated(step: Any) -> Steps:
    names = list(step.feature_names_in_)
    columns: list[Any] = [((place,), (), 1) for place in range(len(names))]
    columns += [((names.index(name),), (s.Missing(),), 1) for name in step.variables_]
    return (apart(columns),)


def _encoded(step: Any) -> Steps:
    """Return the lookups of an encoder of one number for each category."""
    unseen = {"encode": getattr(step, "_unseen", None), "raise": None}.get(step.unseen, np.nan)
    refuses_gaps = getattr(step, "missing_values", "raise") == "raise"
    missing, message = (None, _GAP) if refuses_gaps else (unseen, _UNSEEN)
    lookups: dict[str, Steps] = {
        name: (lookup([*known], [*known.values()], (missing, unseen), message),)
        for name, known in step.encoder_dict_.items()
    }
    return (changed(step.feature_names_in_, lookups),)


def _rare(step: Any) -> Steps:
    missing = None if step.missing_values == "raise" else np.nan
    lookups: dict[str, Steps] = {
        name: (lookup(known, known, (missing, step.replace_with), _GAP),)
        for name, known in ((name, [*step.encoder_dict_[name]]) for name in step.variables_)
    }
    return (changed(step.feature_names_in_, lookups),)


def _one_hot(step: Any) -> Steps:
    names = list(step.feature_names_in_)
    columns: list[Any] = [((place,), (), 1) for place, name in enumerate(names) if name not in step.variables_]
    for name in step.variables_:
        known = [*step.encoder_dict_[name]]
        rows = np.eye(len(known))
        columns.append(((names.index(name),), (lookup(known, rows, (None, [0.0] * len(known)), _GAP),), len(known)))
    return (apart(columns),)


def _dates(step: Any) -> Steps:
    options = {"utc": None, "format": None, "dayfirst": False, "yearfirst": False}
    changes = [name for name, usual in options.items() if getattr(step, name) not in (usual, False)]
    if changes or step.variables == "index":
        raise NotLowered(f"DatetimeFeatures with {', '.join(changes) or 'the index'}")
    wanted = step.features_to_extract_
    check: Steps = (s.Present(_GAP),) if step.missing_values == "raise" else ()
    if not check and any(name in wanted for name in _NOT_OF_NO_TIME):
        check = (s.Present("Cannot convert non-finite values (NA or inf) to integer"),)
    missing = np.array([_OF_NO_TIME.get(name, np.nan) for name in wanted])
    parts = s.TimeParts(tuple(_PARTS.get(name, name) for name in wanted), missing)
    names = list(step.feature_names_in_)
    kept = [place for place, name in enumerate(names) if not step.drop_original or name not in step.variables_]
    columns: list[Any] = [((place,), (), 1) for place in kept]
    columns += [((names.index(name),), (*check, s.Times(), parts), len(wanted)) for name in step.variables_]
    return (apart(columns),)


def _cyclical(step: Any) -> Steps:
    names = list(step.feature_names_in_)
    columns: list[Any] = [
        ((place,), _NUMBER if name in step.variables_ else (), 1)
        for place, name in enumerate(names)
        if not step.drop_original or name not in step.variables_
    ]
    for name in step.variables_:
        factor = s.Arithmetic("multiply", np.array(2.0 * np.pi / step.max_values_[name]))
        columns += [((names.index(name),), (*_NUMBER, factor, s.Elementwise(form)), 1) for form in ("sin", "cos")]
    return (apart(columns),)


_NUMBER: Steps = (s.Numbers(), s.Check())


def _of_numbers(make: Callable[[Any, str], Steps]) -> Callable[[Any], Steps]:
    """Return a function that lowers a transformer of single numbers, which refuses missing and infinite ones."""
    return lambda step: (
        changed(step.feature_names_in_, {name: (*_NUMBER, *make(step, name)) for name in step.variables_}),
    )


def _logarithm(step: Any, name: str) -> Steps:
    constant = getattr(step, "C_", 0)
    added = float(constant[name] if isinstance(constant, dict) else constant)
    add: Steps = (s.Arithmetic("add", np.array(added)),) if added else ()
    return (*add, s.Positive(_NOT_POSITIVE), s.Elementwise("log" if step.base == "e" else "log10"))


def _bins(step: Any, name: str) -> Steps:
    if step.return_boundaries:
        raise NotLowered(f"{type(step).__name__} with return_boundaries")
    inner = np.nextafter(np.asarray(step.binner_dict_[name][1:-1], np.float64), np.inf)  # an edge is in the bin below
    return (s.Bins((inner,), one_hot=False),)


def _power(step: Any, name: str) -> Steps:  # noqa: ARG001 - the shape of `_of_numbers`
    return (s.Arithmetic("power", np.array(float(step.exp))),)


def _winsorized(step: Any) -> Steps:
    if getattr(step, "add_indicators", False):
        raise NotLowered("Winsorizer with add_indicators")
    names = {*step.right_tail_caps_, *step.left_tail_caps_}
    check = s.Check(missing=step.missing_values != "raise")
    changes: dict[str, Steps] = {}
    for name in names:
        high, low = step.right_tail_caps_.get(name, np.inf), step.left_tail_caps_.get(name, -np.inf)
        changes[name] = (s.Numbers(), check, s.Clip(float(low), float(high)))
    return (changed(step.feature_names_in_, changes),)


def _selected(step: Any) -> Steps:
    dropped = {*step.features_to_drop_}
    kept = [place for place, name in enumerate(step.feature_names_in_) if name not in dropped]
    return (apart([((place,), (), 1) for place in kept]),)


_IMPUTERS = ("ArbitraryNumberImputer", "CategoricalImputer", "EndTailImputer", "MeanMedianImputer")
_ENCODERS = ("CountFrequencyEncoder", "MeanEncoder", "OrdinalEncoder", "WoEEncoder")
_BINS = ("ArbitraryDiscretiser", "EqualFrequencyDiscretiser", "EqualWidthDiscretiser", "GeometricWidthDiscretiser")
_BY_NAME: Mapping[str, Callable[[Any], Steps]] = {
    **dict.fromkeys(_IMPUTERS, _imputed),
    **dict.fromkeys(_ENCODERS, _encoded),
    **dict.fromkeys(_BINS, _of_numbers(_bins)),
    "AddMissingIndicator": _indicated,
    "ArbitraryOutlierCapper": _winsorized,
    "CyclicalFeatures": _cyclical,
    "DatetimeFeatures": _dates,
    "LogCpTransformer": _of_numbers(_logarithm),
    "LogTransformer": _of_numbers(_logarithm),
    "OneHotEncoder": _one_hot,
    "PowerTransformer": _of_numbers(_power),
    "RareLabelEncoder": _rare,
    "Winsorizer": _winsorized,
}


def _wrapped(step: Any, lower: Callable[[Any], Steps]) -> Steps:
    """Return the steps of a transformer of scikit-learn around some columns, which then are in their order again."""
    names, chosen = list(step.feature_names_in_), list(step.variables_)
    if list(step.get_feature_names_out()) != names:
        raise NotLowered("SklearnTransformerWrapper that makes other columns")
    kept = [name for name in names if name not in chosen]
    inner = (s.Select(np.arange(len(chosen))), *lower(step.transformer_))
    columns: list[Any] = [((names.index(name),), (), 1) for name in kept]
    columns.append(([names.index(name) for name in chosen], inner, len(chosen)))
    order = [*kept, *chosen]
    return (apart(columns), apart([((order.index(name),), (), 1) for name in names]))


def lower_feature_engine(step: Any, lower: Callable[[Any], Steps]) -> Steps | None:
    """Lower a transformer of Feature-engine, None if it is none; raise `NotLowered`."""
    kind = type(step)
    if not kind.__module__.startswith("feature_engine."):
        return None
    if kind.__name__ == "SklearnTransformerWrapper":
        return _wrapped(step, lower)
    own = _selected if hasattr(step, "features_to_drop_") else _BY_NAME.get(kind.__name__)
    if own is None:
        raise NotLowered(f"Feature-engine's {kind.__name__}")
    return own(step)
