"""How far conjuncts let a value go: its types, and the bounds of numbers, lengths and counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from engine.schema.relation.conjuncts import Conjunct
from engine.schema.subschema import JSON_TYPES, Subschema

MAX_LISTED = 1000
_COUNTED = {
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
}
_UNITS = {"number": "", "string": "character", "array": "item", "object": "propert"}


@dataclass(frozen=True, slots=True)
class Interval:
    """The numbers between two bounds, each of which may be absent, or excluded."""

    low: float | None = None
    high: float | None = None
    is_low_open: bool = False
    is_high_open: bool = False

    def meet(self, other: Interval) -> Interval:
        """Return what both contain."""
        low, is_low_open = _stricter((self.low, self.is_low_open), (other.low, other.is_low_open), 1)
        high, is_high_open = _stricter((self.high, self.is_high_open), (other.high, other.is_high_open), -1)
        return Interval(low, high, is_low_open, is_high_open)

    def whole(self) -> Interval:
        """Return the same integers between bounds that are integers, and included."""
        low, high = self.low, self.high
        if low is not None:
            low = math.floor(low) + 1 if self.is_low_open else math.ceil(low)
        if high is not None:
            high = math.ceil(high) - 1 if self.is_high_open else math.floor(high)
        return Interval(low, high)

    @property
    def is_empty(self) -> bool:
        if self.low is None or self.high is None:
            return False
        return self.low > self.high or (self.low == self.high and (self.is_low_open or self.is_high_open))

    @property
    def is_wide(self) -> bool:
        """Whether it contains numbers, though perhaps no integers."""
        return not self.is_empty

    def contains(self, other: Interval) -> bool:
        """Return whether another one lies in this one."""
        return other.is_empty or self.meet(other) == other

    def show_low(self, name: str) -> str:
        """Write the lower bound of a type's numbers, lengths or counts: `at least 3 items`."""
        return f"{'more than' if self.is_low_open else 'at least'} {_with_unit(self.low, name)}"

    def show_high(self, name: str) -> str:
        """Write the upper bound."""
        return f"{'less than' if self.is_high_open else 'at most'} {_with_unit(self.high, name)}"


Bound = tuple[float | None, bool]


def _stricter(one: Bound, other: Bound, sign: int) -> Bound:
    if one[0] is None or other[0] is None:
        return other if one[0] is None else one
    if one[0] == other[0]:
        return one[0], one[1] or other[1]
    return one if (one[0] > other[0]) == (sign > 0) else other


def _with_unit(count: float | None, name: str) -> str:
    unit = _UNITS[name]
    if name == "object":
        unit += "y" if count == 1 else "ies"
    elif unit and count != 1:
        unit += "s"
    return f"{count} {unit}".rstrip()


@dataclass(frozen=True, slots=True)
class Extent:
    """What conjuncts say of types and bounds; never too little is left."""

    types: frozenset[str]
    is_whole: bool
    intervals: dict[str, Interval]
    """Of numbers, and of the lengths of strings, arrays and objects, by type."""

    def interval(self, name: str, *, whole: bool = False) -> Interval:
        """Return the bounds of a type; with `whole`, only integers count."""
        found = self.intervals[name]
        return found.whole() if name != "number" or self.is_whole or whole else found

    def is_possible(self, name: str) -> bool:
        """Return whether the bounds of a type let any value through."""
        return name not in self.intervals or not self.interval(name).is_empty

    def values(self) -> list[Any] | None:
        """List all values if they are few: null, booleans, integers between two bounds."""
        if not self.types <= {"null", "boolean", "number"}:
            return None
        found: list[Any] = [None] * ("null" in self.types) + [False, True] * ("boolean" in self.types)
        if "number" in self.types:
            interval = self.interval("number")
            if not self.is_whole or interval.low is None or interval.high is None:
                return None
            if interval.high - interval.low >= MAX_LISTED:
                return None
            found += range(int(interval.low), int(interval.high) + 1)
        return found


def extent_of(conjuncts: Sequence[Conjunct]) -> Extent:
    """Find out how far the conjuncts let a value go."""
    types, is_whole = JSON_TYPES, False
    intervals = dict.fromkeys(("number", *_COUNTED), Interval())
    for conjunct in conjuncts:
        own = conjunct.own
        if "type" in own:
            named = {own["type"]} if isinstance(own["type"], str) else {*own["type"]}
            is_whole |= "integer" in named and "number" not in named
            types &= {"number" if name == "integer" else name for name in named}
        intervals["number"] = intervals["number"].meet(_numbers(own))
        for name, (least, most) in _COUNTED.items():
            intervals[name] = intervals[name].meet(Interval(max(_number(own, least) or 0, 0), _number(own, most)))
    names = allowed_names(conjuncts)
    counts = Interval(len(required_names(conjuncts)), None if names is None else len(names))
    intervals["object"] = intervals["object"].meet(counts)
    return Extent(types, is_whole, intervals)


def _numbers(own: Any) -> Interval:
    closed = Interval(_number(own, "minimum"), _number(own, "maximum"))
    low, high = _number(own, "exclusiveMinimum"), _number(own, "exclusiveMaximum")
    return closed.meet(Interval(low, high, low is not None, high is not None))


def _number(own: Any, keyword: str) -> float | None:
    found = own.get(keyword)
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    return None if isinstance(found, float) and not math.isfinite(found) else found


def required_names(conjuncts: Sequence[Conjunct]) -> dict[str, None]:
    """Name the properties that an object must have, in their order."""
    return {name: None for conjunct in conjuncts for name in conjunct.own.get("required", ())}


def allowed_names(conjuncts: Sequence[Conjunct]) -> set[str] | None:
    """Name the only properties that an object may have; None if there may be others."""
    closed = [_allowed(one.own) for one in conjuncts if is_closed(one)]
    return reduce(set.intersection, closed) if closed else None


def _allowed(own: Any) -> set[str]:
    return {name for name, schema in own.get("properties", {}).items() if schema is not False}


def is_closed(conjunct: Conjunct) -> bool:
    """Return whether an object may have no properties but those that a conjunct declares."""
    return conjunct.own.get("additionalProperties") is False and "patternProperties" not in conjunct.own


def schemas_of_property(conjuncts: Sequence[Conjunct], name: str) -> list[Subschema]:
    """List what applies to a property."""
    found = []
    for conjunct in conjuncts:
        own = conjunct.own
        if name in own.get("properties", ()):
            found.append(conjunct.schema.part(own["properties"][name]))
        elif "additionalProperties" in own and "patternProperties" not in own:
            found.append(conjunct.schema.part(own["additionalProperties"]))
    return found
