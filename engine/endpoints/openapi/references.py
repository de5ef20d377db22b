"""The references in a JSON Schema that is copied into another document: their targets, by `$id`, anchor or pointer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.schema.documents import HOLDS_LIST, HOLDS_MAP, HOLDS_ONE, Place, References, base_of

_NAMES = ("$id", "$anchor")  # not needed if every reference is a pointer


def move_references(schema: Any, base: str, references: References, lead: Callable[[Place], str]) -> Any:
    """Rewrite a schema whose references start from `base`: `lead` writes the new reference to each target.

    References out of the document stay as they are, and so do values that only look like references.
    """
    if not isinstance(schema, Mapping):
        return schema
    base = base_of(schema, base)
    rewritten: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword == "$ref" and isinstance(value, str):
            place = references.target(base, value)
            rewritten[keyword] = value if place is None else lead(place)
        elif keyword in HOLDS_ONE:
            rewritten[keyword] = move_references(value, base, references, lead)
        elif keyword in HOLDS_LIST:
            rewritten[keyword] = [move_references(item, base, references, lead) for item in value]
        elif keyword in HOLDS_MAP:
            rewritten[keyword] = {name: move_references(item, base, references, lead) for name, item in value.items()}
        elif keyword not in _NAMES:
            rewritten[keyword] = value
    return rewritten
