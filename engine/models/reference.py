"""The rows that a model's spec names as its reference, as instances of its input."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from engine.errors import SpecError, did_you_mean
from engine.jsonschemas import types_of
from engine.models.csvfile import CsvFile, Wrong, read_cell, read_csv
from engine.spec import Model
from engine.validation import Validator

MAX_MISTAKES = 10
_NUMBERS = frozenset(("null", "number"))


def reference_instances(model: Model) -> Iterator[Mapping[str, Any]]:
    """Read the rows of the CSV that a model names as its reference, each cell as its feature's schema wants it.

    A column that is no feature is left out. Raises `SpecError` for what is no CSV.
    """
    if model.reference is None:
        return
    document = model.input.document
    properties = document.get("properties", {})
    takes = {name: Validator.of_part(document, part).is_valid for name, part in properties.items()}
    for row in read_csv(model.reference, _wrong(model), properties).rows:
        cells = {name: _cell(row.cells[name], taken) for name, taken in takes.items() if row.cells.get(name)}
        yield {name: cell for name, cell in cells.items() if cell is not None}


def require_reference(model: Model) -> None:
    """Raise `SpecError` for a reference without a feature that is required, or with a text for a number."""
    properties = model.input.document.get("properties")
    if model.reference is None or properties is None:
        return
    wrong = _wrong(model)
    mistakes = islice(_mistakes(model, read_csv(model.reference, wrong, properties)), MAX_MISTAKES)
    if found := [diagnostic for mistake in mistakes for diagnostic in wrong(mistake).diagnostics]:
        raise SpecError(found)


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
