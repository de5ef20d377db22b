"""Which columns an instance is made of, and whether its schema can be judged column by column."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import isinf, isnan
from typing import Any, Literal

from engine.batch.scoring.cells import Field
from engine.batch.scoring.records import ABSENT, Key, RecordBatch
from engine.schema.documents import types_of
from engine.spec import Model

_NOTES = frozenset(("$comment", "$defs", "$schema", "default", "definitions", "description", "examples", "title"))
_SEPARABLE: Mapping[str, frozenset[str]] = {
    "object": _NOTES | {"additionalProperties", "properties", "required", "type"},
    "array": _NOTES | {"items", "maxItems", "minItems", "prefixItems", "type"},
}

Form = Literal["object", "array", "value"]


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of an instance: `fields` by their keys.

    `is_separable` tells that an instance is valid if each of its features is, so that columns can be judged apart.
    """

    form: Form
    fields: Mapping[Key, Field]
    is_separable: bool

    def instance(self, batch: RecordBatch, row: int) -> Any:
        """Make the instance of a row."""
        cells = {key: self._cell(batch, field, batch.columns[key][row]) for key, field in self._present(batch)}
        if self.form == "object":
            return {key: cell for key, cell in cells.items() if cell is not ABSENT}
        values = [None if cell is ABSENT else cell for cell in cells.values()]
        return values if self.form == "array" else values[0]

    def _present(self, batch: RecordBatch) -> Sequence[tuple[Key, Field]]:
        return [(key, field) for key, field in self.fields.items() if key in batch.columns]

    @staticmethod
    def _cell(batch: RecordBatch, field: Field, cell: Any) -> Any:
        if batch.is_text:
            return field.instance_cell(cell)
        if isinstance(cell, float):  # of an array; JSON has neither numpy's floats nor any that are not finite
            cell = None if isnan(cell) else str(cell) if isinf(cell) else float(cell)
        return cell if batch.has_nulls else field.gap(cell)


def form_of(document: Any) -> Form:
    """Tell what an instance is by its schema."""
    types = types_of(document, document)
    return "object" if types == {"object"} else "array" if types == {"array"} else "value"


def layout_of(model: Model, count: int | None, floats: Collection[Key] = ()) -> Layout:
    """Lay out a model's instances; `count` is how many items an array has, and columns in `floats` become floats."""
    document, validator = model.input.document, model.input.validator()
    form = form_of(document)

    def field(key: Key, part: Any, place: tuple[str, ...] | None, *, required: bool = True) -> Field:
        takes = validator.part(*place) if place is not None else lambda _: True
        return Field(part, takes, required=required, as_floats=key in floats)

    if form == "value" or (form == "object" and not document.get("properties")):
        return Layout("value", {0: field(0, document, ())}, is_separable=True)
    if form == "array":
        count = count or 0
        places = _places_of_items(document, count)
        fields: dict[Key, Field] = {key: field(key, part, place) for key, (part, place) in enumerate(places)}
        fits = document.get("minItems", 0) <= count <= document.get("maxItems", count)
    else:
        required, parts = document.get("required", ()), document.get("properties", {})
        fields = {
            name: field(name, part, ("properties", name), required=name in required) for name, part in parts.items()
        }
        fits = set(required) <= parts.keys()
    is_separable = fits and document.keys() <= _SEPARABLE[form] and not validator.is_opaque
    return Layout(form, fields, is_separable)


def part_of(document: Any, key: Key) -> Any:
    """Return the schema of one column of an instance."""
    match form_of(document):
        case "object":
            return document.get("properties", {}).get(key, True)
        case "array" if isinstance(key, int):
            return _places_of_items(document, key + 1)[key][0]
        case _:
            return document


def _places_of_items(document: Any, count: int) -> list[tuple[Any, tuple[str, ...] | None]]:
    """Return the schema of each item of an array, and where it stands, None where it is declared nowhere."""
    prefix = document.get("prefixItems", ())
    places: list[tuple[Any, tuple[str, ...] | None]] = [
        (part, ("prefixItems", str(place))) for place, part in enumerate(prefix[:count])
    ]
    rest = (document["items"], ("items",)) if "items" in document else (True, None)
    return [*places, *[rest] * (count - len(places))]
