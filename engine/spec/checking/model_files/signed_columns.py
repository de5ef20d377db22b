"""An input beside the signature in the model's folder: the same columns, with values that the signature has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from engine.diagnostics import Diagnostic
from engine.schema import TYPE_NAMES, InstanceSchema, Subschema
from engine.spec.model_folders.folder_records import ModelFolder, Signature, SignedColumn
from engine.spec.reading.node import Node
from engine.text import did_you_mean, first_words, join_words, nearest, plural

_HELD = {"number": "number", "integer": "number", "boolean": "boolean", "string": "string"}
_MOST_NAMED = 8


def check_signature(model: Node, folder: ModelFolder, instance: InstanceSchema) -> Iterator[Diagnostic]:
    """Return every mistake in an entry's input by the signature of its model, if that has one."""
    signature = folder.signature
    if signature is None or "type" not in model["input"]:
        return
    if instance.types == {"object"}:
        yield from _check_object(model, signature, instance)
    elif instance.types == {"array"} and signature.count is not None:
        yield from _check_length(model["input"], signature.count, instance)
    elif instance.types == {"string"} and signature.columns and not _may_be_text(signature):
        names = first_words([one.name for one in signature.columns], _MOST_NAMED)
        yield model["input"]["type"].error(
            f"the model's signature has columns ({names}), so an instance is not a text; its input is of type object"
        )


def _may_be_text(signature: Signature) -> bool:
    return len(signature.columns) == 1 and signature.columns[0].kind in (None, "string")


def _check_object(model: Node, signature: Signature, instance: InstanceSchema) -> Iterator[Diagnostic]:
    features, properties = model["features"], model["input"]["properties"]
    own = [one["as"].text or "" if one.fields is not None else one.text or "" for one in features.items]
    declared = own if features.present else [name for name, _, _ in properties.pairs()]
    if signature.columns:
        yield from _check_names(model, signature.columns, declared)
        columns = {one.name: one for one in signature.columns}
    else:
        if signature.count is not None and signature.count != len(declared):
            columns_of = f"the model's signature has {plural(signature.count, 'column')}"
            listed = first_words(declared, _MOST_NAMED) or "none"
            yield _declaring(model).error(f"{columns_of}, but these are {len(declared)}: {listed}")
        columns = {name: SignedColumn(name, signature.kind, signature.kind or "") for name in declared}
    for name, _, node in properties.pairs():
        if name in columns and (mistake := _mistake(columns[name], instance.properties[name])):
            yield (node["type"] if node["type"].present else node).error(mistake)


def _declaring(model: Node) -> Node:
    """Return the key under which an entry declares its columns."""
    if "features" in model:
        return model.key("features")
    return model["input"].key("properties") if "properties" in model["input"] else model.key("input")


def _check_names(model: Node, signed: Sequence[SignedColumn], declared: Sequence[str]) -> Iterator[Diagnostic]:
    """Return a mistake for each column that lacks, or that the signature does not have."""
    names = [one.name for one in signed]
    extra = [name for name in declared if name not in names]
    where = "features" if "features" in model else "properties"
    meant: set[str] = set()
    for column in signed:
        if column.name in declared or not column.required:
            continue
        if (near := nearest(column.name, extra)) is not None:
            meant.add(near)
            message = f'the model\'s signature has no column "{near}" (did you mean "{column.name}"?)'
            yield _place_of(model, near).error(message)
            continue
        written = f" ({column.written})" if column.written else ""
        message = f'the model\'s signature has a column "{column.name}"{written}; declare it under {where}'
        yield _declaring(model).error(message)
    for name in extra:
        if name not in meant:
            known = did_you_mean(name, names, "it has")
            instead = "" if "features" in model else ", or list the model's own columns under features"
            message = f'the model\'s signature has no column "{name}" {known}; remove it{instead}'
            yield _place_of(model, name).error(message)


def _place_of(model: Node, name: str) -> Node:
    """Return where a column is declared."""
    for one in model["features"].items:
        if (one["as"].text if one.fields is not None else one.text) == name:
            return one
    return model["input"]["properties"].key(name)


def _mistake(column: SignedColumn, feature: Subschema) -> str:
    """Say which values the input allows that the signature does not have; empty if there are none."""
    kind, types = column.kind, feature.types - {"null"}
    if kind is None or feature.types >= {*_HELD.values(), "array", "object"}:  # a column of any kind, which is not used
        return ""
    has = f'the model\'s signature has {_typed(column)} for "{column.name}", but the input allows'
    if extra := sorted(types - {_HELD[kind]}):
        return f"{has} {join_words([TYPE_NAMES[one] for one in extra], 'and')}; set type: {kind}"
    if kind == "integer" and types and not feature.is_whole:
        return f"{has} fractions; set type: integer"
    return ""


def _typed(column: SignedColumn) -> str:
    if column.written in ("", column.kind):
        return f"{column.kind}s"
    return f"{column.written} ({column.kind}s)"


def _check_length(schema: Node, count: int, instance: Any) -> Iterator[Diagnostic]:
    least, most = instance.least_items, instance.most_items
    has = f"the model's signature has {plural(count, 'column')}"
    if most is not None and most < count:
        yield schema["maxItems"].error(f"{has}, but maxItems allows at most {most}")
    elif least > count:
        yield schema["minItems"].error(f"{has}, but minItems requires at least {least}")
