"""The dtype of a column according to its feature's schema, and whether a dtype from another source matches that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.models.data.dtypes.kinds import Dtype
from engine.schema.documents import MAX_REFERENCES, is_whole, lookup, types_of

_NUMBERS = frozenset(("boolean", "null", "number"))
_TEXTS = frozenset(("null", "string"))


@dataclass(frozen=True, slots=True)
class Feature:
    """The values that a schema allows for a feature: JSON types, only integers if `whole`, none at all if `gaps`."""

    types: frozenset[str]
    whole: bool
    gaps: bool

    @classmethod
    def of(cls, schema: Any, document: Any, *, gaps: bool) -> Feature:
        return cls(types_of(schema, document), is_whole(schema, document), gaps)


def from_schema(feature: Feature) -> Dtype:
    """Return the dtype that pandas would infer for the values that a schema allows."""
    types = feature.types - {"null"}
    if feature.types <= _NUMBERS:
        if types == {"boolean"}:
            return Dtype("object" if feature.gaps else "bool")
        return Dtype("int" if feature.whole and not feature.gaps else "float")
    return Dtype("string" if types == {"string"} else "object")


def fits(dtype: Dtype, feature: Feature) -> bool:
    """Return whether a column of a dtype can hold every value that a schema allows."""
    match dtype.kind:
        case "float":
            return feature.types <= _NUMBERS
        case "int":
            return feature.types <= _NUMBERS and feature.whole and not feature.gaps
        case "bool":
            return feature.types - {"null"} == {"boolean"} and not feature.gaps
        case "string" | "datetime":
            return feature.types <= _TEXTS
        case "category":
            return bool(dtype.values) and not feature.types & {"array", "object"}
        case _:
            return True


def named_values(schema: Any, document: Any) -> tuple[Any, ...]:
    """Return the values that a schema lists, in the order in which pandas makes categories of them: sorted."""
    for _ in range(MAX_REFERENCES):
        reference = schema.get("$ref") if isinstance(schema, Mapping) and "enum" not in schema else None
        if not isinstance(reference, str) or not reference.startswith("#/"):
            break
        schema = lookup(document, reference)
    listed = schema.get("enum", ()) if isinstance(schema, Mapping) else ()
    kept = [value for value in listed if isinstance(value, str | int | float)]
    try:
        return tuple(sorted(kept))
    except TypeError:
        return tuple(kept)
