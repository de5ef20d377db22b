"""What is known of one value: its schemas, and whether it is always there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from engine.schema import JSON_TYPES, TYPE_NAMES, Subschema, show
from engine.schema.samples import sample
from engine.spec.reading.scalars import resolve_scalar
from engine.spec.references import Name, Reference
from engine.text import did_you_mean, join_words

ANY = Subschema(True, True)
_EMPTY = {"array": "[]", "object": "{}"}


@dataclass(frozen=True)  # without slots, to keep what is cached
class Known:
    """What is known of a value: the schemas that it matches, and whether it `is_certain` to be there.

    `reason` says in a few words why it may be absent, and `near` which declared name was probably meant.
    """

    parts: Sequence[Subschema]
    is_certain: bool = True
    reason: str = ""
    near: str = ""

    @cached_property
    def types(self) -> frozenset[str]:
        """The JSON types that the value may have, an integer being a number; all where the schemas allow none."""
        return JSON_TYPES.intersection(*(part.types for part in self.parts)) or JSON_TYPES

    @property
    def in_words(self) -> str:
        """The types in words."""
        return _either(self.types)

    @property
    def needs_default_in_schema(self) -> str:
        """How to give a list or a mapping a default, for a message."""
        empty = _EMPTY[min(self.types, default="array")]
        return f"a default here is a scalar; write the default into its schema, as in default: {empty}"

    @property
    def schema(self) -> Subschema:
        """The schema that the spec declares for it."""
        return self.parts[0]

    @property
    def is_choice(self) -> bool:
        """Whether the value is one of a list that the spec's author wrote."""
        return self.choices is not None

    @property
    def choices(self) -> Sequence[Any] | None:
        """The list of which the value is one; None if there is no list."""
        for part in self.parts:
            if (listed := part.written("enum")) is not None:
                return list(listed)
            if "const" in part.own:
                return [part.own["const"]]
        return None

    def step(self, key: str, whole: Name) -> Known:
        """Go down to a key of an object or an index of an array; raise `ValueError`, for the author, if there is none.

        `whole` is the name of this value.
        """
        if not self.types & {"array", "object"}:
            raise ValueError(f'"{whole}" is {_either(self.types)}, so it has no "{key}"; write "{whole}"')
        index = int(key) if key.isascii() and key.isdigit() and "array" in self.types else None
        if index is None and self.types == {"array"}:
            raise ValueError(f'"{whole}" is an array, so it has no "{key}"; write an index, as in {whole}.0')
        declared, is_needed, names, siblings = list[Subschema](), False, list[str](), list[str]()
        is_closed = False
        for part in self.parts:
            for own in part.applied:
                declared += map(part.part, _below(own, key, index))
                siblings += own.get("properties", ())
                is_needed |= "object" in self.types and key in own.get("required", ())
                is_needed |= index is not None and index < own.get("minItems", 0)
                if own.get("additionalProperties") is False and "patternProperties" not in own:
                    is_closed = is_closed or key not in own.get("properties", {})
                    names += own.get("properties", ())
        if is_closed and self.types == {"object"}:
            raise ValueError(f'"{whole}" has no "{key}" {did_you_mean(key, names, "its schema has")}')
        is_plain = self.types == ({"object"} if index is None or key in names else {"array"})
        has_default = any(part.has_default for part in declared)
        for part in declared if has_default else ():
            if part.has_default and not all(other.takes(part.default) for other in declared):
                raise ValueError(f'the default of "{key}" in "{whole}" violates its own schema; correct it')
        if (is_plain and is_needed) or has_default:
            return Known(declared or [ANY], self.is_certain or has_default, "" if has_default else self.reason)
        reason = _absence(key, whole, self.types, is_declared=bool(declared), is_plain=is_plain)
        reason = f"{self.reason}, {reason}" if self.reason else reason
        near = did_you_mean(key, siblings, "") if siblings and not declared else ""
        return Known(declared or [ANY], False, reason, self.near or (near if "did you mean" in near else ""))


def _below(own: Mapping[str, Any], key: str, index: int | None) -> Iterator[Any]:
    """Yield the schemas that one set of keywords has for a key or an index."""
    if key in own.get("properties", {}):
        yield own["properties"][key]
    elif isinstance(own.get("additionalProperties"), Mapping) and "patternProperties" not in own:
        yield own["additionalProperties"]
    prefix = own.get("prefixItems", ())
    if index is not None and index < len(prefix):
        yield prefix[index]
    elif index is not None and "items" in own:
        yield own["items"]


def _absence(key: str, whole: Name, types: frozenset[str], *, is_declared: bool, is_plain: bool) -> str:
    if not is_plain:
        kind = "array" if key.isdigit() and "array" in types else "object"
        return f'set type: {kind} for "{whole}", which may be {_either(types) if types != JSON_TYPES else "anything"}'
    if key.isdigit() and types == {"array"}:
        return f"set minItems: {int(key) + 1}"
    return f'add "{key}" to required' if is_declared else f'declare "{key}" under properties and require it'


def how_to_default(reference: Reference, known: Known) -> str:
    """Say how to write a default that fits."""
    if known.types <= {"array", "object"}:
        return f"or give it a default in its schema, as in default: {_EMPTY[min(known.types, default='array')]}"
    made = [sample(part) for part in known.parts] if known.types != JSON_TYPES else []
    fitting = (text for text in map(_scalar_text, ["none", *made]) if _fits(text, known))
    name = str(reference.name)
    return f"or give it a default, as in ${{{name}:-{next(fitting, '…')}}}"


def _scalar_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _fits(text: str, known: Known) -> bool:
    value = read_default(text, known.types)
    return not isinstance(value, dict | list) and all(part.takes(value) for part in known.parts)


def _type_name(value: Any) -> str:
    if value is None:
        return "null"
    return "boolean" if isinstance(value, bool) else "number" if isinstance(value, int | float) else "string"


def _either(types: frozenset[str]) -> str:
    return join_words([TYPE_NAMES[name] for name in sorted(types)], "or") if types else show(None)


def read_default(text: str, types: frozenset[str]) -> Any:
    """Read the text of a default as a plain YAML scalar of one of the types; raise `ValueError` if it is none."""
    value = resolve_scalar(text)
    if isinstance(value, str) or _type_name(value) in types or "string" not in types:
        return value
    return text
