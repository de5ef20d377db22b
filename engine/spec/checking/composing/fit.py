"""Whether what a composition's input allows is what the models in it take: names, types, and what may be missing."""

from __future__ import annotations

from collections.abc import Iterator

from engine.diagnostics import Diagnostic
from engine.schema import TYPE_NAMES, InstanceSchema, Subschema
from engine.spec.reading.node import Node
from engine.text import did_you_mean, join_words


def check_fit(entry: Node, name: str, named: Node, inner: Node) -> Iterator[Diagnostic]:
    """Report what the model `name`, of the entry `inner`, cannot take of the entry's instances; `named` names it."""
    outer_schema, taken = InstanceSchema(entry["input"].plain), InstanceSchema(inner["input"].plain)
    if taken.form != "object":
        what = join_words([TYPE_NAMES[one] for one in sorted(taken.types)], "or")
        message = (
            f'the model "{name}" takes {what}; in a composition, a model takes its features from an object by name'
        )
        yield named.error(message)
        return
    for feature in taken.required:
        if feature not in outer_schema.properties:
            known = did_you_mean(feature, outer_schema.properties, "its properties are")
            yield named.error(
                f'the model "{name}" requires a feature "{feature}", which this input does not declare {known}'
            )
    for feature, part in taken.properties.items():
        if feature in outer_schema.properties:
            at = entry["input"]["properties"].key(feature)
            yield from _feature_mistakes(at, name, feature, outer_schema, part, is_required=feature in taken.required)


def _feature_mistakes(
    at: Node, name: str, feature: str, outer_schema: InstanceSchema, part: Subschema, *, is_required: bool
) -> Iterator[Diagnostic]:
    given = outer_schema.properties[feature]
    is_filled = given.default is not None
    extra = sorted(given.types - part.types - ({"null"} if is_filled else set()))
    if extra:
        allowed = join_words([TYPE_NAMES[one] for one in extra], "or")
        wanted = join_words([TYPE_NAMES[one] for one in sorted(part.types)], "or")
        yield at.error(
            f'"{feature}" may be {allowed} here, but the model "{name}" takes {wanted}; give both the same type'
        )
    elif "number" in given.types and part.is_whole and not given.is_whole:
        yield at.error(
            f'"{feature}" may have a fraction here, but the model "{name}" takes integers; set type: integer here'
        )
    if is_required and feature not in outer_schema.required and not is_filled:
        yield at.error(
            f'"{feature}" may be missing here, but the model "{name}" requires it; add it to required, or give it a '
            "default"
        )
