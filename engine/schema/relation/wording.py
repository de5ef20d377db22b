"""What schemas allow, in words: clauses for messages about conditions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from engine.schema.relation.extents import Extent
from engine.schema.subschema import JSON_TYPES
from engine.schema.words import TYPE_NAMES, show
from engine.text import join_words

_SHOWN = 6
_WHATEVER = "it matches whatever the schema allows"


def list_values(values: Sequence[Any]) -> str:
    """List values: `"free", "pro" or 3 more`."""
    shown = [show(value) for value in values[:_SHOWN]]
    more = [f"{len(values) - _SHOWN:,} more"] if len(values) > _SHOWN else []
    return join_words([*shown, *more], "or")


def name_types(extent: Extent) -> str:
    """Name the types that an extent has: `an integer or null`."""
    names = sorted(extent.types, key="null".__eq__)
    words = ["integer" if name == "number" and extent.is_whole else name for name in sorted(names)]
    return join_words([TYPE_NAMES[name] for name in sorted(words, key="null".__eq__)], "or")


def show_contradiction(name: str, extent: Extent) -> str:
    """Say that no value of a type lies within the bounds of an extent: `no integer is more than 4 and less than 5`."""
    bounds = extent.intervals[name]
    verb = "is" if name == "number" else "has"
    noun = "integer" if name == "number" and bounds.is_wide else name
    return f"no {noun} {verb} {bounds.show_low(name)} and {bounds.show_high(name)}"


def describe_extent(allowed: Extent, wanted: Extent, possible: Sequence[str]) -> str:
    """Say what a schema allows, as far as a condition asks for it."""
    facts = list(_facts(allowed, wanted, possible)) if len(possible) == 1 else []
    if not facts and wanted.types != JSON_TYPES:
        facts = [f"is {name_types(allowed)}"]
    return f"every value that the schema allows {join_words(facts, 'and')}" if facts else _WHATEVER


def _facts(allowed: Extent, wanted: Extent, possible: Sequence[str]) -> Iterator[str]:
    """Say what is true of the only possible type, of what the condition asks for."""
    if wanted.types != JSON_TYPES or wanted.is_whole:
        yield f"is {name_types(allowed)}"
    for name in possible:
        if name in wanted.intervals:
            verb, least = ("is", None) if name == "number" else ("has", 0)
            asked, found = wanted.intervals[name], allowed.interval(name)
            if asked.low not in (None, least):
                yield f"{verb} {found.show_low(name)}"
            if asked.high is not None:
                yield f"{verb} {found.show_high(name)}"
