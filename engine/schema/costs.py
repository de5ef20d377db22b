"""What validating a value can cost, whatever the value is: an upper bound computed from the schema alone.

The unit is a nanosecond for every two bytes of a body, the least that a JSON value takes. The figures were measured
with jsonschema-rs 0.60. It applies a schema that refers to itself once for every value, so that recursion adds up
instead of multiplying; of several that refer to each other, it applies some again and again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

from engine.schema.documents import Place
from engine.schema.parts import Part

CHEAP = 1200.0  # up to this cost, the library may validate any value, whatever its size
SMALL = 1_000_000.0  # nanoseconds that may pass between two looks at the clock
_ATOMS = frozenset((bool, float, int, type(None)))
_ATOM = 10.0  # bytes that a number is assumed to have
_KEYWORD = 20.0
_BOUND = 400.0  # a limit that is compared with a number beyond 64 bits
_NUMBER = 1500.0  # a choice that is compared with a number: exactly, as fractions
_MULTIPLE = 10_000.0
_UNIQUE = 4000.0  # up to 15 items are compared each with each
_ENTRY = 30.0
_REFERENCE = 50.0
_LOOP = 500.0
_STATE = 20.0  # of a pattern's automaton, for two characters
_FORMAT = 100.0  # for two bytes, which the library takes one by one
_COSTLY_FORMATS = {"idn-hostname": 1000.0, "iri": 200.0, "regex": 1000.0, "uri-template": 1000.0}
_INSIDE = ("allOf", "anyOf", "oneOf", "dependentSchemas")
_INSIDE_ONE = ("not", "if", "then", "else")
_COUNT = re.compile(r"\{(\d+)(?:,(\d*))?\}|\\.|[()]")

Levels = list[float]
"""The cost for a value itself, for one in it, and so on."""


def is_cheap(part: Part) -> bool:
    """Return whether the library can validate any value against a part within a request's budget."""
    return weigh_part(part) <= CHEAP


def safe_size(part: Part, nanoseconds: float = SMALL) -> float:
    """Return how many bytes a value may have so that the library certainly validates it within some time."""
    return float("inf") if is_cheap(part) else 2 * nanoseconds / weigh_part(part)


def is_small(value: Any, size: float) -> bool:
    """Return whether a value has at most that many bytes of JSON, in no more time than a small value takes."""
    if type(value) in _ATOMS:
        return size >= _ATOM
    waiting, left = [value], size
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict | list):
            left -= 2 + len(value)
            if len(value) > left:
                return False
            if isinstance(value, dict):
                left -= sum(map(len, value))
                value = value.values()
            waiting.extend(value)
        else:
            left -= 2 + len(value) if isinstance(value, str) else _ATOM
        if left < 0:
            return False
    return True


def weigh_part(part: Part) -> float:
    """Bound the cost of a part for every two bytes of the JSON that it validates, in nanoseconds."""
    if part.weight is None:
        root = part.document.part(())
        part.weight = _weigh(part) if part is root else min(_weigh(part), weigh_part(root))
    return part.weight


def price_keyword(part: Part, keyword: str) -> float:
    """Bound the cost of one keyword of a part for two bytes, without the schemas in it."""
    if keyword not in part.prices:
        part.prices[keyword] = keyword_cost(keyword, part.schema[keyword])
    return part.prices[keyword]


def _weigh(part: Part) -> float:
    scale = _Scale()
    levels = scale.levels(part)
    again = sum(max(scale.levels(target)) for target in scale.loops)
    loops = _LOOP * (1 + sum(scale.loops.values()) / 4) * len(scale.loops) ** 5
    deep = float("inf") if scale.unique and scale.loops else scale.unique * _UNIQUE
    return max(levels) + (again + loops if scale.loops else 0.0) + deep


class _Scale:
    """Adds up one schema: `loops` counts how often each part is referred to from inside itself."""

    def __init__(self) -> None:
        self.loops: dict[Part, int] = {}
        self.unique = 0
        self._known: dict[Place, Levels] = {}
        self._open: set[Place] = set()

    def levels(self, part: Part) -> Levels:
        """Bound the cost of a part for a value, level by level."""
        if part.place in self._open:
            self.loops[part] = self.loops.get(part, 0) + 1
            return [_REFERENCE]
        if part.place not in self._known:
            self._open.add(part.place)
            self._known[part.place] = self._weighed(part) if isinstance(part.schema, Mapping) else [_KEYWORD]
            self._open.remove(part.place)
        return self._known[part.place]

    def _weighed(self, part: Part) -> Levels:
        schema = part.schema
        self.unique += bool(schema.get("uniqueItems"))
        own = [sum(keyword_cost(keyword, schema[keyword]) for keyword in part.rules)]
        inside = [self.levels(sub) for keyword in _INSIDE for sub in part.subs(keyword)]
        inside += [self.levels(part.sub(keyword)) for keyword in _INSIDE_ONE if keyword in schema]
        inside += [self.levels(target) for target in part.candidates()]
        # Every adjacent schema is asked for what it evaluates, and each of them is applied once more.
        again = 3 if "unevaluatedItems" in schema or "unevaluatedProperties" in schema else 1
        children = _largest([self._of_items(part), self._of_properties(part)])
        return _sum([own, [0.0, *children], *inside * again])

    def _of_items(self, part: Part) -> Levels:
        one_of = [*map(self.levels, part.subs("prefixItems")), *self._held(part, "items")]
        return _sum([_largest(one_of), *self._held(part, "contains"), *self._held(part, "unevaluatedItems")])

    def _of_properties(self, part: Part) -> Levels:
        one_of = [*map(self.levels, part.subs("properties")), *self._held(part, "additionalProperties")]
        every = [*map(self.levels, part.subs("patternProperties"))]
        every += [[pattern_cost(pattern)] for pattern in part.schema.get("patternProperties", ())]
        every += [*self._held(part, "propertyNames"), *self._held(part, "unevaluatedProperties")]
        return _sum([_largest(one_of), *every])

    def _held(self, part: Part, keyword: str) -> list[Levels]:
        return [self.levels(part.sub(keyword))] if keyword in part.schema else []


def keyword_cost(keyword: str, wanted: Any) -> float:
    """Bound the cost of one keyword, without the schemas in it."""
    match keyword:
        case "enum":
            has_fractions = any(isinstance(option, float) for option in wanted)
            return _KEYWORD + sum(_choice_cost(option, has_fractions=has_fractions) for option in wanted)
        case "const":
            return _KEYWORD + _choice_cost(wanted, has_fractions=True)
        case "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum":
            return _BOUND
        case "multipleOf":
            return _KEYWORD if isinstance(wanted, int) else _MULTIPLE
        case "pattern":
            return pattern_cost(wanted)
        case "format":
            return _COSTLY_FORMATS.get(wanted, _FORMAT)
        case "dependentRequired" | "dependentSchemas":
            return _ENTRY * len(wanted)
    return _KEYWORD


def _choice_cost(option: Any, *, has_fractions: bool) -> float:
    """Bound the comparison with one choice; among whole numbers and texts, one is found without comparing."""
    if isinstance(option, Mapping | list):
        inside = option.values() if isinstance(option, Mapping) else option
        return _ENTRY + sum(_choice_cost(item, has_fractions=True) for item in inside)
    is_number = isinstance(option, int | float) and not isinstance(option, bool)
    return _NUMBER if is_number and has_fractions else 0.0


def pattern_cost(pattern: str) -> float:
    """Bound the cost of a pattern for two characters: a linear engine has up to as many states as repetitions count."""
    return _KEYWORD + _STATE * _states(pattern)


def _states(pattern: str) -> float:
    """Bound the states of a pattern by its counted repetitions; nested ones multiply."""
    depths = [0.0]
    ended = 0.0
    for found in _COUNT.finditer(pattern):
        if found[0] == "(":
            depths.append(0.0)
            ended = 0.0
        elif found[0] == ")" and len(depths) > 1:
            ended = depths.pop()
            depths[-1] += ended
        elif found[1]:
            times = float(found[2] or found[1])
            depths[-1] += max(1.0, ended) * times - ended
            ended = 0.0
    return sum(depths)


def _sum(several: list[Levels]) -> Levels:
    return [sum(level) for level in zip_longest(*several, fillvalue=0.0)]


def _largest(several: list[Levels]) -> Levels:
    return [max(level) for level in zip_longest(*several, fillvalue=0.0)]
