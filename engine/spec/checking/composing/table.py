"""`table: customers.csv`, with `key` and `model`; its input is derived from the file.

Only the keys are read here. The rows are judged once it is known how the model reads them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from engine.diagnostics import Diagnostic
from engine.errors import SpecError
from engine.schema import InstanceSchema
from engine.spec.checking.composing.kind import ComposedEntry, CompositionKind, Parts
from engine.spec.checking.schemas import has_form
from engine.spec.composed_records import Table
from engine.spec.model_records import Model
from engine.spec.named_files import Home
from engine.spec.reading.node import Node
from engine.text import did_you_mean

_SCALARS = frozenset(("number", "string"))
_MOST_DIGITS = 18


def _parts(entry: Node) -> Parts:
    if entry["model"].text is not None:
        yield entry["model"].text, entry["model"]


def _check(entry: Node) -> Iterator[Diagnostic]:
    key, schema = entry["key"], entry["input"]
    if key.text is None or schema.fields is None or not has_form(schema.plain):
        return
    instance = InstanceSchema(schema.plain)
    if key.text not in instance.properties:
        known = did_you_mean(key.text, instance.properties, "its properties are")
        yield key.error(f'the key "{key.text}" is not a property of the input {known}')
        return
    if key.text not in instance.required:
        yield key.error(f'the key "{key.text}" is not required by the input; add it: "required: [{key.text}]"')
    if not instance.properties[key.text].types <= _SCALARS:
        message = f'the key "{key.text}" may be other than a string or a number; give it one of these types'
        yield schema["properties"].key(key.text).error(message)


def check_tables(models: Node, home: Home) -> Iterator[Diagnostic]:
    """Report tables that cannot be read; `home` is the folder of models.yaml."""
    for _, _, entry in models.pairs():
        table = entry["table"]
        if table.text:
            try:
                home.require(table.text)
            except ValueError as error:
                yield table.error(str(error))


def derive_inputs(root: Node, home: Home) -> Node:
    """Add the input that a table does not declare: an object with its key, an integer if all keys are whole numbers."""
    models = root["models"]
    if not any("table" in entry and "input" not in entry for _, _, entry in models.pairs()):
        return root
    fields = {
        name: (key, _with_input(entry, home) if "table" in entry and "input" not in entry else entry)
        for name, (key, entry) in (models.fields or {}).items()
    }
    key = (root.fields or {})["models"][0]
    return replace(root, fields={**(root.fields or {}), "models": (key, replace(models, fields=fields))})


def _with_input(entry: Node, home: Home) -> Node:
    key = entry["key"]
    if not (key.text and entry["table"].text):
        return entry
    try:
        is_whole = _has_whole_keys(home.read(entry["table"].text), key.text)
    except ValueError:  # which is reported as a mistake elsewhere
        return entry
    document = {
        "type": "object",
        "required": [key.text],
        "additionalProperties": False,
        "properties": {key.text: {"type": "integer" if is_whole else "string"}},
    }
    written = _node_of(document, key)
    return replace(entry, fields={**(entry.fields or {}), "input": (key, written)})


def _has_whole_keys(data: bytes, key: str) -> bool:
    """Return whether all cells of a column are whole numbers, written as JSON does."""
    lines = csv.reader(io.StringIO(data.decode("utf-8-sig", "replace"), newline=""))
    try:
        names = next(lines, [])
        place = names.index(key) if key in names else len(names)
        cells = [row[place] for row in lines if len(row) > place and row[place]]  # an empty one is a mistake
    except csv.Error:
        return False
    return bool(cells) and all(map(_is_whole, cells))


def _is_whole(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS and str(int(text)) == text


def _node_of(value: Any, at: Node) -> Node:
    """Make the nodes of a value that nobody wrote, all at one place."""
    fields = None
    if isinstance(value, dict):
        fields = {key: (replace(at, plain=key), _node_of(inner, at)) for key, inner in value.items()}
    items = [_node_of(inner, at) for inner in value] if isinstance(value, list) else ()
    return Node(at.source, at.start, at.end, value, fields=fields, items=items)


def _read(entry: ComposedEntry) -> Table:
    node = entry.node
    name = node["table"].plain
    try:
        data = entry.home.read(name)
    except ValueError as error:
        raise SpecError([node["table"].error(f"the table cannot be read: {error}")]) from None
    named = {"key": node["key"].plain, "model": node["model"].plain}
    return Table(file=entry.folder / name, data=data, **named, **entry.shared)


def answer_alike(model: Model, models: Mapping[str, Model]) -> Model:
    """Have a table answer what its model does, with labels and probabilities if that does."""
    inner = model
    while isinstance(inner, Table):
        inner = models[inner.model]
    return replace(model, output=inner.output) if isinstance(model, Table) else model


TABLE = CompositionKind("table", lambda entry: "table" in entry, _parts, _check, _read)
