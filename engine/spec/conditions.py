"""The conditions of cases as frozen records: what a request, or a model's answer, must be like."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.schema import Subschema
from engine.spec.references import Name


@dataclass(frozen=True, slots=True)
class IsPresent:
    """The value is there."""

    name: Name


@dataclass(frozen=True, slots=True)
class Matches:
    """The value is there, and is valid by a schema; a scalar in the spec is the schema `{const: scalar}`."""

    name: Name
    schema: Any = field(hash=False)


@dataclass(frozen=True, slots=True)
class Negation:
    """The condition is false."""

    of: Condition


@dataclass(frozen=True, slots=True)
class Together:
    """All of the conditions are true."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Alternatives:
    """At least one of the conditions is true."""

    parts: tuple[Condition, ...]


Condition = IsPresent | Matches | Negation | Together | Alternatives
Guarantees = Mapping[Name, tuple[Subschema, ...]]


def names_in(condition: Condition) -> Iterator[Name]:
    """Yield the names whose values a condition looks at."""
    match condition:
        case IsPresent(name) | Matches(name, _):
            yield name
        case Negation(of):
            yield from names_in(of)
        case Together(parts) | Alternatives(parts):
            for part in parts:
                yield from names_in(part)


def guaranteed_by(condition: Condition) -> Guarantees:
    """Return the values that are there if a condition is true, with the schemas that they match then."""
    match condition:
        case IsPresent(name):
            return {name: ()}
        case Matches(name, schema):
            return {name: (Subschema(schema, schema),)}
        case Together(parts):
            return join_guarantees([guaranteed_by(part) for part in parts])
        case Alternatives(parts):
            every = [guaranteed_by(part) for part in parts]
            return {name: () for name in every[0] if all(name in one for one in every)}
        case Negation(of):
            return guaranteed_without(of)


def guaranteed_without(condition: Condition) -> Guarantees:
    """Return the values that are there if a condition is false: those that it requires to be absent."""
    match condition:
        case Negation(of):
            return guaranteed_by(of)
        case Alternatives(parts):
            return join_guarantees([guaranteed_without(part) for part in parts])
        case Together((only,)):
            return guaranteed_without(only)
    return {}


def join_guarantees(several: Sequence[Guarantees]) -> Guarantees:
    """Return what holds if several conditions are true at the same time."""
    joined: dict[Name, tuple[Subschema, ...]] = {}
    for one in several:
        for name, schemas in one.items():
            joined[name] = (*joined.get(name, ()), *schemas)
    return joined
