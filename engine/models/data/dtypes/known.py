"""The dtype of a column according to its feature's schema, and whether a dtype from another source matches that."""

from __future__ import annotations

from dataclasses import dataclass

from engine.models.data.dtypes.kinds import Dtype

_NUMBERS = frozenset(("boolean", "null", "number"))
_TEXTS = frozenset(("null", "string"))


@dataclass(frozen=True, slots=True)
class Feature:
    """The values that a schema allows for a feature: JSON types, only integers if `whole`, none at all if `gaps`."""

    types: frozenset[str]
    whole: bool
    gaps: bool


def from_schema(feature: Feature) -> Dtype:
    """Return the dtype that pandas would infer for the values that a schema allows."""
    types = feature.types - {"null"}
    if feature.types <= _NUMBERS:
        if types == {"boolean"}:
            return Dtype("object" if feature.gaps else "bool")
        return Dtype("int" if feature.whole and not feature.gaps else "float")
    return Dtype("string" if types == {"string"} else "object")


def fits_schema(dtype: Dtype, feature: Feature) -> bool:
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
