"""Which columns an instance is made of, and whether its schema can be judged column by column."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import isinf, isnan
from typing import Any, Literal

from engine.batch.scoring.cells import Field
from engine.batch.scoring.record_batch import ABSENT, Key, RecordBatch
from engine.schema import Subschema
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


def layout_of(model: Model, count: int | None, floats: Collection[Key] = ()) -> Layout:
    """Lay out a model's instances; `count` is how many items an array has, and columns in `floats` become floats."""
    schema, validator = model.input.instance, model.input.validator()

    def field(part: Subschema, key: Key, *place: str, required: bool = True) -> Field:
        takes = validator.part(*place) if part.schema is not True else lambda _: True  # it may stand nowhere
        return Field(part, takes, required=required, as_floats=key in floats)

    if schema.form == "array":
        count, most = count or 0, schema.most_items
        fields: dict[Key, Field] = {
            key: field(
                schema.feature(key), key, *(("prefixItems", str(key)) if key < len(schema.prefix) else ("items",))
            )
            for key in range(count)
        }
        fits = schema.least_items <= count and (most is None or count <= most)
    elif schema.form == "object" and schema.properties:
        fields = {
            name: field(part, name, "properties", name, required=name in schema.required)
            for name, part in schema.properties.items()
        }
        fits = schema.required <= schema.properties.keys()
    else:
        return Layout("value", {0: field(schema, 0)}, is_separable=True)
    # Only what is written in the schema itself counts, since a keyword of another may concern several columns.
    is_separable = fits and schema.schema.keys() <= _SEPARABLE[schema.form] and not validator.is_opaque
    return Layout(schema.form, fields, is_separable)
