"""Whether a condition, a schema too, holds for all values that a declared schema allows, for none, or for some.

"never" and "always" are certain, whether or not formats are checked; everything that is not decided is "sometimes".
A schema's extent may be too large and never too small, and a condition is taken exactly before it is said to hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from engine.schema.relation.conjuncts import Acceptance, Conjunct, Effort, TooCostly, conjuncts_of
from engine.schema.relation.extents import (
    Interval,
    allowed_names,
    extent_of,
    is_closed,
    required_names,
    schemas_of_property,
)
from engine.schema.relation.wording import describe_extent, list_values, name_types, show_contradiction
from engine.schema.subschema import Subschema
from engine.schema.words import clip

_STEPS = 300_000
_STEPS_OF_ONE = 100
_MAX_DEPTH = 8
_SHOWN_REASONS = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """How often a condition holds for the values that a schema allows, and why, as a clause; empty if "sometimes"."""

    kind: Literal["always", "never", "sometimes"]
    reason: str = ""


_NOTHING = "no value matches it"
_EXCLUDED = "it excludes whatever the schema allows"
_SOMETIMES = Verdict("sometimes")
_EMPTY = Verdict("never", "the schema allows no value at all")  # so that everything holds for all of its values


def judge_condition(declared: Subschema, condition: Subschema) -> Verdict:
    """Judge a condition on a value that a declared schema allows."""
    try:
        return _Comparison().judge([declared], [condition], 0)
    except TooCostly:
        return _SOMETIMES


class _Comparison:
    """One comparison, within its bounds."""

    def __init__(self) -> None:
        self._effort = Effort(_STEPS)

    def judge(self, declared: Sequence[Subschema], condition: Sequence[Subschema], depth: int) -> Verdict:
        """Judge schemas that apply together."""
        if depth > _MAX_DEPTH:
            return _SOMETIMES
        self._effort.spend(_STEPS_OF_ONE)
        allowed, wanted = conjuncts_of(declared, self._effort), conjuncts_of(condition, self._effort)
        if (listed := _listed(allowed)) is not None:
            return self._judge_values(listed, allowed, wanted)
        if (listed := _listed(wanted)) is not None and self._rejects_all(listed, allowed, wanted):
            return Verdict("never", f"the schema does not allow {list_values(listed)}" if listed else _NOTHING)
        pair = _Pair(declared, condition, allowed, wanted)
        found = self._judge_extents(pair, depth)
        if found == _SOMETIMES and (values := pair.allowed_extent.values()) is not None:
            found = self._judge_values(values, allowed, wanted)
        return self._judge_branches(pair, depth) if found == _SOMETIMES else found

    def _judge_values(self, values: list[Any], allowed: list[Conjunct], wanted: list[Conjunct]) -> Verdict:
        """Judge a condition by all values that the schema may allow."""
        declared, condition = Acceptance(allowed, self._effort), Acceptance(wanted, self._effort)
        kept = [value for value in values if declared.may_accept(value)]
        if not kept:
            return _EMPTY
        only = f"the schema allows only {list_values(kept)}"
        if not any(map(condition.may_accept, kept)):
            if (listed := _listed(wanted)) is not None:
                return Verdict("never", f"{only}, never {list_values(listed)}" if listed else _NOTHING)
            return Verdict(
                "never", f"{only}, {'which does not match' if len(kept) == 1 else 'and none of them matches'}"
            )
        if all(map(condition.must_accept, kept)):
            return Verdict("always", f"{only}, {'which matches' if len(kept) == 1 else 'and each of them matches'}")
        return _SOMETIMES

    def _rejects_all(self, values: list[Any], allowed: list[Conjunct], wanted: list[Conjunct]) -> bool:
        declared, condition = Acceptance(allowed, self._effort), Acceptance(wanted, self._effort)
        return not any(condition.may_accept(value) and declared.may_accept(value) for value in values)

    def _judge_extents(self, pair: _Pair, depth: int) -> Verdict:
        """Judge by types, bounds and properties, and by what the condition combines."""
        if not pair.possible:
            return _EMPTY
        if reason := self._impossible(pair, depth):
            return Verdict("never", reason)
        if self._is_covered(pair, depth):
            return Verdict("always", describe_extent(pair.allowed_extent, pair.wanted_extent, pair.possible))
        return _SOMETIMES

    def _impossible(self, pair: _Pair, depth: int) -> str:
        """Say why no allowed value fulfils the condition; empty if one may."""
        common = [name for name in pair.possible if name in pair.wanted_extent.types]
        if not common:
            return pair.differing_types()
        reasons = [self._differing_properties(pair, name, depth) or pair.differing_bounds(name) for name in common]
        if all(reasons):
            return _join(reasons)
        for conjunct in pair.wanted:
            for branches in conjunct.branches():
                found = [self.judge(pair.declared, [branch], depth + 1) for branch in branches]
                if all(one.kind == "never" for one in found):
                    return _join(one.reason for one in found)
            if "not" in conjunct.own:
                excluded = self.judge(pair.declared, [conjunct.schema.part(conjunct.own["not"])], depth + 1)
                if excluded.kind == "always":
                    return _EXCLUDED
        return ""

    def _differing_properties(self, pair: _Pair, name: str, depth: int) -> str:
        """Say why no object with the properties that both require fulfils the condition; empty if one may."""
        if name != "object":
            return ""
        required, wanted = required_names(pair.allowed), required_names(pair.wanted)
        for key in {**required, **wanted}:
            self._effort.spend()
            allowed_schemas = schemas_of_property(pair.allowed, key)
            if any(schema.schema is False for schema in allowed_schemas):
                return f'the schema does not allow the property "{clip(key)}"'
            wanted_schemas = schemas_of_property(pair.wanted, key)
            if any(schema.schema is False for schema in wanted_schemas):
                who = "schema" if key in required else "condition itself"
                return f'the {who} requires the property "{clip(key)}", which the condition does not allow'
            if wanted_schemas:
                found = self.judge(allowed_schemas, wanted_schemas, depth + 1)
                if found.kind == "never":
                    return f'in "{clip(key)}", {found.reason}'
        return ""

    def _is_covered(self, pair: _Pair, depth: int) -> bool:
        """Return whether every allowed value certainly fulfils the condition."""
        if not all(conjunct.is_exact and not conjunct.lists for conjunct in pair.wanted):
            return False
        if not all(pair.is_within(name) for name in pair.possible):
            return False
        if "object" in pair.possible and not self._are_properties_covered(pair, depth):
            return False
        return all(self._are_branches_covered(pair, conjunct, depth) for conjunct in pair.wanted)

    def _are_branches_covered(self, pair: _Pair, conjunct: Conjunct, depth: int) -> bool:
        for branches in conjunct.branches():
            if not any(_holds(self.judge(pair.declared, [branch], depth + 1)) for branch in branches):
                return False
        if "not" not in conjunct.own:
            return True
        excluded = conjunct.schema.part(conjunct.own["not"])
        return self.judge(pair.declared, [excluded], depth + 1).kind == "never"

    def _are_properties_covered(self, pair: _Pair, depth: int) -> bool:
        if not required_names(pair.wanted).keys() <= required_names(pair.allowed).keys():
            return False
        names = allowed_names(pair.allowed)
        for conjunct in pair.wanted:
            properties = conjunct.own.get("properties", {})
            if is_closed(conjunct) and (names is None or not names <= properties.keys()):
                return False
            for key, schema in properties.items():
                self._effort.spend()
                if schema is True or (names is not None and key not in names):
                    continue
                allowed_schemas = schemas_of_property(pair.allowed, key)
                if not _holds(self.judge(allowed_schemas, [conjunct.schema.part(schema)], depth + 1)):
                    return False
        return True

    def _judge_branches(self, pair: _Pair, depth: int) -> Verdict:
        """Judge by each of several alternatives of the declared schema."""
        for conjunct in pair.allowed:
            for branches in conjunct.branches():
                found = [self.judge([*pair.plain, branch], pair.condition, depth + 1) for branch in branches]
                possible = [one for one in found if one != _EMPTY]
                if not possible:
                    return _EMPTY
                for kind in ("never", "always"):
                    if all(one.kind == kind for one in possible):
                        return Verdict(possible[0].kind, _join(one.reason for one in possible))
        return _SOMETIMES


class _Pair:
    """Two lists of conjuncts that are compared, with their extents."""

    def __init__(
        self,
        declared: Sequence[Subschema],
        condition: Sequence[Subschema],
        allowed: list[Conjunct],
        wanted: list[Conjunct],
    ) -> None:
        self.declared, self.condition = declared, condition
        self.allowed, self.wanted = allowed, wanted
        self.allowed_extent, self.wanted_extent = extent_of(allowed), extent_of(wanted)
        types = sorted(self.allowed_extent.types)
        self.possible = [name for name in types if self.allowed_extent.is_possible(name)]

    @property
    def plain(self) -> list[Subschema]:
        """What is declared apart from alternatives."""
        return [conjunct.without_branches() for conjunct in self.allowed]

    def differing_types(self) -> str:
        allowed, wanted = self.allowed_extent, self.wanted_extent
        if not wanted.types:
            return _NOTHING
        return f"the schema allows only {name_types(allowed)}, never {name_types(wanted)}"

    def differing_bounds(self, name: str) -> str:
        """Say why no value of a type lies within the bounds of both; empty if one may."""
        if name not in self.allowed_extent.intervals:
            return ""
        whole = self.allowed_extent.is_whole or self.wanted_extent.is_whole
        allowed = self.allowed_extent.interval(name, whole=whole)
        wanted = self.wanted_extent.interval(name, whole=whole)
        if not allowed.meet(wanted).is_empty:
            return self._differing_counts(allowed.meet(wanted)) if name == "object" else ""
        if wanted.is_empty:
            return show_contradiction(name, self.wanted_extent)
        if allowed.is_empty:  # of numbers that need not be integers
            return "the schema allows no integer"
        if (
            wanted.low is not None
            and Interval(wanted.low, allowed.high, wanted.is_low_open, allowed.is_high_open).is_empty
        ):
            return f"the schema allows {allowed.show_high(name)}"
        return f"the schema allows {allowed.show_low(name)}"

    def _differing_counts(self, counts: Interval) -> str:
        """Say why no object has the properties that both require, and only those that both allow."""
        required = {**required_names(self.allowed), **required_names(self.wanted)}
        names, others = allowed_names(self.allowed), allowed_names(self.wanted)
        if names is not None and others is not None:
            names &= others
        most = others if names is None else names
        if counts.meet(Interval(len(required), None if most is None else len(most))).is_empty:
            return "the properties that both require are more than both allow"
        return ""

    def is_within(self, name: str) -> bool:
        """Return whether all allowed values of a type are of a wanted type, and within the wanted bounds."""
        allowed, wanted = self.allowed_extent, self.wanted_extent
        if name not in wanted.types or (name == "number" and wanted.is_whole and not allowed.is_whole):
            return False
        if name not in allowed.intervals:
            return True
        return wanted.interval(name, whole=allowed.is_whole).contains(allowed.interval(name))


def _holds(verdict: Verdict) -> bool:
    return verdict.kind == "always" or verdict == _EMPTY


def _listed(conjuncts: list[Conjunct]) -> list[Any] | None:
    """Return the shortest list of values to which the conjuncts are confined; None if there is none."""
    lists = [listed for conjunct in conjuncts for listed in conjunct.lists]
    return min(lists, key=len) if lists else None


def _join(reasons: Iterable[str]) -> str:
    """Join the reasons that hold for several types or alternatives."""
    several = list(dict.fromkeys(reasons))[:_SHOWN_REASONS]
    first, *rest = several or [_NOTHING]
    return "; or ".join([first, *(reason.removeprefix("the schema allows ") for reason in rest)])
