"""The values that a schema allows in each column, and the instance that a row of floats becomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.models.data.array import Array
from engine.schema import InstanceSchema, Subschema
from engine.schema.samples import TIMES

WIDEST = 1e307  # numbers between three times this and its negative can be drawn: their span is a float
_EXACT = 1e15


@dataclass(frozen=True, slots=True)
class Range:
    """The values of a column: rows are drawn between `low` and `high`, and must lie between `least` and `most`.

    `whole` allows only integers, `step` only its multiples, and `choices` only themselves; `gap` says that a value may
    be missing, and `is_text` that the values are texts.
    """

    low: float
    high: float
    least: float = -np.inf
    most: float = np.inf
    whole: bool = False
    step: float = 0.0
    choices: tuple[Any, ...] = ()
    gap: bool = False
    is_text: bool = False

    @property
    def is_discrete(self) -> bool:
        """Whether some values between two allowed ones may be forbidden."""
        return self.whole or bool(self.step or self.choices)

    @property
    def is_free(self) -> bool:
        """Whether every number is allowed, or the values are not numbers."""
        return self.is_text or not (self.is_discrete or np.isfinite(self.least) or np.isfinite(self.most))

    def fit(self, values: Array, rounding: Any = np.round) -> Array:
        """Move values to the nearest allowed ones, except missing values; `rounding` is the direction."""
        if self.is_text:
            return values
        if self.choices:
            known = np.sort([float(choice) for choice in self.choices])
            if rounding is np.round:
                places = np.searchsorted((known[1:] + known[:-1]) / 2, values)
            else:
                is_floor = rounding is np.floor
                places = np.searchsorted(known, values, "right" if is_floor else "left") - is_floor
            return np.where(np.isnan(values), values, known[np.clip(places, 0, len(known) - 1)])
        inside = np.clip(values, self.least, self.most)
        if self.step:
            computed: Array = rounding(inside / self.step) * self.step
            return computed
        return rounding(inside) if self.whole else inside

    def writer(self) -> Callable[[float], Any]:
        """Return a function that writes a number as JSON of this column, and None for a missing value."""
        known = {} if self.is_text else {float(choice): choice for choice in self.choices}
        whole = self.whole

        def write(value: float) -> Any:
            if value != value:  # noqa: PLR0124 - NaN
                return None
            if whole and abs(value) < _EXACT and value.is_integer():
                return int(value)
            return known.get(value, value)

        return write


def ranges_of(
    instance: InstanceSchema, names: Sequence[str] | None, width: int, learnt: Mapping[int, tuple[float, float]]
) -> list[Range]:
    """Read the ranges of all columns from an input's schema, or else from those that the model has learnt."""
    if names is None:
        return [_range(instance.feature(place), learnt.get(place), may_be_absent=False) for place in range(width)]
    return [
        _range(instance.feature(name), learnt.get(place), may_be_absent=name not in instance.required)
        for place, name in enumerate(names)
    ]


def _range(schema: Subschema, learnt: tuple[float, float] | None, *, may_be_absent: bool) -> Range:
    types = schema.types
    gap = may_be_absent or schema.is_nullable
    said = schema.usual.schema
    choices = tuple(value for value in _choices(said, types) if value is not None)
    if "string" in types:
        return Range(0.0, 1.0, choices=choices or TIMES.get(said.get("format", ""), ()), gap=gap, is_text=True)
    numbers = tuple(value for value in choices if isinstance(value, int | float) and abs(value) <= WIDEST)
    if numbers:
        known = list(map(float, numbers))
        return Range(min(known), max(known), choices=numbers, gap=gap)
    low, high = learnt or (-3.0, 3.0)
    least = _bound(said, "minimum", "exclusiveMinimum", -np.inf)
    most = _bound(said, "maximum", "exclusiveMaximum", np.inf)
    low = _cut(least if least > -np.inf else low)
    high = _cut(most if most < np.inf else max(high, low + 1e-9))
    step = said.get("multipleOf", 0)
    return Range(
        min(low, high),
        max(low, high),
        least,
        most,
        whole=schema.usual.is_whole,
        step=float(step) if isinstance(step, int | float) and abs(step) <= WIDEST else 0.0,
        gap=gap,
    )


def _choices(said: Mapping[str, Any], types: frozenset[str]) -> Sequence[Any]:
    if "const" in said:
        return (said["const"],)
    if "enum" in said:
        return tuple(said["enum"])
    return (False, True) if types - {"null"} == {"boolean"} else ()


def _bound(said: Mapping[str, Any], key: str, exclusive: str, default: float) -> float:
    """Read a bound as a float, or the next one for an exclusive bound; infinity if no float is beyond it."""
    direction = -default
    found = [_float(said[key])] if key in said else []
    found += [float(np.nextafter(_float(said[exclusive]), direction))] if exclusive in said else []
    return (max(found) if default < 0 else min(found)) if found else default


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return np.inf if value > 0 else -np.inf


def _cut(value: float) -> float:
    """Return the nearest number from which rows can be drawn; a schema's may be larger than any float."""
    return float(max(-WIDEST, min(value, WIDEST)))
