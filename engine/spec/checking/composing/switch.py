"""`switch: country`, with `to` and `otherwise`."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import Any

from engine.diagnostics import Diagnostic
from engine.schema import InstanceSchema, Subschema, show
from engine.spec.checking.composing.kind import ComposedEntry, CompositionKind, Parts
from engine.spec.checking.schemas import has_form
from engine.spec.composed_records import Switch
from engine.spec.reading.node import Node
from engine.text import did_you_mean, first_words

_MOST_NAMED = 6


def _parts(entry: Node) -> Parts:
    for _, _, model in entry["to"].pairs():
        if model.text is not None:
            yield model.text, model
    if entry["otherwise"].text is not None:
        yield entry["otherwise"].text, entry["otherwise"]


def _check(entry: Node) -> Iterator[Diagnostic]:
    feature, schema = entry["switch"], entry["input"]
    if feature.text is None or schema.fields is None or not has_form(schema.plain):
        return
    instance = InstanceSchema(schema.plain)
    if feature.text not in instance.properties:
        known = did_you_mean(feature.text, instance.properties, "its properties are")
        yield feature.error(f'"{feature.text}" is not a property of the input {known}')
        return
    described = instance.properties[feature.text]
    if described.types & {"array", "object"}:
        message = f'"{feature.text}" may be an array or an object; a switch needs a text, a number or a boolean'
        yield feature.error(f"{message}: give it a type")
        return
    values = _values(described)
    yield from _of_values(entry, described, values)
    if not entry["otherwise"].present:
        is_missing = feature.text not in instance.required or described.is_nullable
        yield from _without_otherwise(entry, values, is_missing=is_missing and described.default is None)


def _values(feature: Subschema) -> list[Any] | None:
    """List the values that a feature may have, besides null; None where its schema does not list them all."""
    said = feature.said
    if "const" in said:
        return [said["const"]]
    if "enum" in said:
        return [value for value in said["enum"] if value is not None and feature.takes(value)]
    return [True, False] if feature.types - {"null"} == {"boolean"} else None


def _of_values(entry: Node, described: Subschema, values: list[Any] | None) -> Iterator[Diagnostic]:
    """Report targets for values that the feature cannot have, and values that YAML cannot tell apart."""
    feature, texts = entry["switch"].plain, list(map(value_text, values or ()))
    for text, key, _ in entry["to"].pairs():
        if not _meant(text, described, values):
            known = did_you_mean(text, texts, "its values are") if values is not None else ""
            yield key.error(f'{show(text)} is not a value of "{feature}" {known}'.rstrip())
    twice = next((text for text in texts if texts.count(text) > 1), None)
    if twice is not None:
        message = f'"{feature}" may be {twice} as a text and as another value, which "to" cannot tell apart'
        yield entry["switch"].error(f"{message}; remove one of them from its enum")


def _meant(text: str, described: Subschema, values: list[Any] | None) -> list[Any]:
    """Return the value that a key of `to` stands for; none if the feature cannot have it."""
    if values is not None:
        return [value for value in values if value_text(value) == text][:1]
    readings = [text, {"true": True, "false": False}.get(text), _number(text)]
    return [value for value in readings if value is not None and described.takes(value)][:1]


def _number(text: str) -> float | None:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text) if isfinite(float(text)) else None
    except ValueError:
        return None


def _without_otherwise(entry: Node, values: list[Any] | None, *, is_missing: bool) -> Iterator[Diagnostic]:
    feature, to = entry["switch"].plain, entry["to"]
    if values is None:
        yield entry["switch"].error(
            f'"{feature}" may have other values than those of "to"; name the model for them, as in "otherwise: NAME", '
            "or list its values in an enum"
        )
        return
    left = [show(value) for value in values if value_text(value) not in to]
    if left:
        listed = first_words(left, _MOST_NAMED)
        yield entry.key("to").error(
            f'no model is named for {listed}, which "{feature}" may be; add each here, or "otherwise: NAME"'
        )
    if is_missing:
        yield entry["switch"].error(
            f'"{feature}" may be missing or null; name the model for that, as in "otherwise: NAME", or require it'
        )


def value_text(value: Any) -> str:
    """Write a value as a key of YAML is read: `CH`, `1`, `true`."""
    return value if isinstance(value, str) else show(value)


def _read(entry: ComposedEntry) -> Switch:
    node = entry.node
    described = InstanceSchema(node["input"].plain).properties[node["switch"].plain]
    values = _values(described)
    to = tuple(
        (value, model.plain) for text, _, model in node["to"].pairs() for value in _meant(text, described, values)
    )
    return Switch(feature=node["switch"].plain, to=to, otherwise=node["otherwise"].plain, **entry.shared)


SWITCH = CompositionKind("switch", lambda entry: "switch" in entry, _parts, _check, _read)
