"""The rows that a model's spec names as its reference, as instances of its input."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from engine.errors import SpecError, did_you_mean
from engine.jsonschemas import types_of
from engine.models.csvfile import CsvFile, Row, Wrong, read_cell, read_csv
from engine.spec import Model
from engine.validation import Validator

MAX_MISTAKES = 10
_NUMBERS = frozenset(("null", "number"))


def reference_instances(model: Model) -> Iterator[Any]:
    """Read the rows of the CSV that a model names as its reference, each cell as its feature's schema wants it.

    Of an object, a column that is no feature is left out; an array has the cells in their order, and a number or a text
    is the first cell. Raises `SpecError` for what is no CSV.
    """
    for _, instance in reference_rows(model):
        yield instance


def reference_rows(model: Model) -> Iterator[tuple[Row, Any]]:
    """Read each row with its instance, as `reference_instances` gives them."""
    if model.reference is None:
        return
    file = read_csv(model.reference, _wrong(model), model.input.document.get("properties", {}))
    read = _reader(model.input.document, file.names)
    for row in file.rows:
        yield row, read(row)


def _reader(document: Any, names: Sequence[str]) -> Callable[[Row], Any]:
    types = types_of(document, document)
    if types == {"array"}:
        prefix, item = document.get("prefixItems", ()), document.get("items", True)
        parts = [*prefix, *[item] * len(names)][: len(names)]
        items = [Validator.of_part(document, part).is_valid for part in parts]
        return lambda row: [_cell(row.cells[name], take) for name, take in zip(names, items, strict=True)]
    if types in ({"number"}, {"string"}):
        take = Validator(document).is_valid
        return lambda row: _cell(row.cells[names[0]], take)
    takes = {name: Validator.of_part(document, part).is_valid for name, part in document.get("properties", {}).items()}
    nulls = {name for name in document.get("required", ()) if name in takes and takes[name](None)}

    def read(row: Row) -> Any:
        texts = {name: row.cells.get(name) for name in takes}
        cells = {name: _cell(text, takes[name]) if text else None for name, text in texts.items()}
        return {name: cell for name, cell in cells.items() if cell is not None or name in nulls}

    return read


def require_reference(model: Model) -> None:
    """Raise `SpecError` for a reference of which no row is an instance.

    So too for one without a feature that is required, or with a text for a number.
    """
    if model.reference is None:
        return
    wrong, properties = _wrong(model), model.input.document.get("properties")
    mistakes: Iterator[str] = iter(())
    if properties is not None:
        mistakes = _mistakes(model, read_csv(model.reference, wrong, properties))
    said = list(islice(mistakes, MAX_MISTAKES)) or list(islice(_unusable(model), MAX_MISTAKES))
    if found := [diagnostic for mistake in said for diagnostic in wrong(mistake).diagnostics]:
        raise SpecError(found)


def _unusable(model: Model) -> Iterator[str]:
    """Say what is wrong with the first row, if none is an instance of the input."""
    validator = Validator(model.input.document)
    count, first = 0, None
    for row, instance in reference_rows(model):
        if validator.is_valid(instance):
            return
        first = first or (row, instance)
        count += 1
    if first is None:
        yield "there is no row below the names of the columns"
        return
    row, instance = first
    for violation in validator.violations(instance):
        name = next((one for one in (*violation.path, violation.name) if one != ""), None)
        if isinstance(name, int):
            name = list(row.cells)[name] if name < len(row.cells) else None
        where = f'column "{name}": ' if name is not None else ""
        rows = f"none of its {count:,} rows matches the input" if count > 1 else "its only row does not match the input"
        is_empty = violation.keyword == "required"
        detail = "the cell is empty, and the input requires a value" if is_empty else violation.detail
        yield f"{rows}; line {row.line}: {where}{detail}"


def _mistakes(model: Model, file: CsvFile) -> Iterator[str]:
    document = model.input.document
    properties = document["properties"]
    for name in document.get("required", ()):
        if name in properties and name not in file.names:
            known = did_you_mean(name, file.names, "there are")
            yield f'there is no column "{name}" {known}, which the input requires'
    numbers = [name for name in file.names if name in properties and types_of(properties[name], document) <= _NUMBERS]
    row = None
    for row in file.rows:
        for name in numbers:
            if isinstance(read_cell(row.cells[name]), str | bool):
                yield f"line {row.line}: {row.not_a_number(name)}"
    if row is None:
        yield "there is no row below the names of the columns"


def _wrong(model: Model) -> Wrong:
    name = model.reference.name if model.reference is not None else ""
    return lambda message: model.error(f"{name}: {message}", "reference")


def _cell(text: str, takes: Callable[[Any], bool]) -> Any:
    """Read a cell as a number, a boolean or a text, whichever comes first among those that the schema takes.

    What stands for no value is a text where the schema takes it for one, and else None.
    """
    value = read_cell(text)
    return next(filter(takes, (text,) if value is None else (value, text)), value)
