"""The dtypes that a model's entry declares: each must be able to hold every value that the input allows."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator

from engine.diagnostics import Diagnostic
from engine.schema import TYPE_NAMES, InstanceSchema
from engine.spec.checking.schemas import has_form
from engine.spec.reading.node import Node
from engine.text import did_you_mean

_TAKES = {
    "float": frozenset(("boolean", "number", "null")),
    "int": frozenset(("number",)),
    "bool": frozenset(("boolean",)),
    "string": frozenset(("string", "null")),
    "datetime": frozenset(("string", "null")),
    "category": frozenset(("boolean", "number", "string", "null")),
}
_TYPES = {"float": "number", "int": "integer", "bool": "boolean"}


def check_dtypes(model: Node) -> Iterator[Diagnostic]:
    """Return every mistake in `dtypes` that can be found without opening the model."""
    schema, declared = model["input"], model["dtypes"]
    if not declared.present or schema.fields is None or not has_form(schema.plain):
        return
    if schema["type"].text not in (None, "object"):
        message = f"dtypes apply to the properties of an object, but the input is of type {schema['type'].text}"
        yield model.key("dtypes").error(message)
        return
    properties, instance = schema["properties"], InstanceSchema(schema.plain)
    for name, _, dtype in declared.pairs():
        if name not in properties:
            known = did_you_mean(name, (one for one, _, _ in properties.pairs()), "its properties are")
            yield declared.key(name).error(f'"{name}" is not a property of the input {known}')
        elif dtype.text is not None and (mistake := _mistake(name, dtype.text, instance)):
            yield dtype.error(mistake)


def _mistake(name: str, declared: str, instance: InstanceSchema) -> str:
    """Say why a column of a dtype cannot hold a value that the input allows; empty if it can."""
    kind, _, zone = declared.rstrip("]").partition("[")
    feature = instance.properties[name]
    if zone and not _is_zone(zone):
        return f'there is no time zone "{zone}"; name one such as UTC or Europe/Berlin'
    if kind not in _TAKES:
        return ""
    if extra := sorted(feature.types - _TAKES[kind] - {"null"}):
        held, wanted = TYPE_NAMES[extra[0]], f"type: {_TYPES.get(kind, 'string')}"
        return f'a column of {kind} cannot hold {held}, which the input allows; set {wanted} for "{name}"'
    is_optional, is_nullable = name not in instance.required, feature.is_nullable
    if feature.default is None and (is_optional or is_nullable) and kind in ("int", "bool"):
        lack = " or ".join(["missing"] * is_optional + ["null"] * is_nullable)
        held = "type" if isinstance(feature.schema, dict) and "null" in feature.schema.get("type", ()) else "schema"
        mends = ["require it"] * is_optional + [f"remove null from its {held}"] * is_nullable
        instead = "float" if kind == "int" else "no dtype: pandas makes it an object column"
        advice = f"{' and '.join(mends)}, or declare {instead}"
        return f'"{name}" may be {lack}, but {kind} has no missing values; {advice}'
    if kind == "int" and not feature.is_whole:
        return f'a column of int cannot hold fractions, which the input allows; set type: integer for "{name}"'
    return ""


def _is_zone(zone: str) -> bool:
    try:
        zoneinfo.ZoneInfo(zone)
    except (KeyError, OSError, ValueError):
        return zone == "UTC"
    return True
