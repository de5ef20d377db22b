"""The rows of a model's reference, as instances of its input."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from engine.errors import SpecError
from engine.models.data.csv_file import CsvFile, Row, Wrong, read_cell, read_csv
from engine.schema import InstanceSchema, Subschema, Violation
from engine.spec import FileModel, Schema
from engine.text import did_you_mean, plural

MAX_MISTAKES = 10
MAX_CELLS = 500_000  # so many are judged, and asked in the proof
MAX_EXPLAINED = 100
_NUMBERS = frozenset(("null", "number"))
_OTHERS = frozenset((bool, str))  # values that are read in place of a number


def reference_instances(model: FileModel) -> Iterator[Any]:
    """Read the rows of the CSV that a model names as its reference, each cell according to its feature's schema.

    For an object, other columns are left out; an array has the cells in their order, and a number or a text is the
    first cell. Raises `SpecError` for a file that is not CSV.
    """
    for _, instance, _ in _read(model):
        yield instance


def allowed_instances(model: FileModel) -> Iterator[Any]:
    """Return the rows of a reference that are instances of the model's input, formats included."""
    for _, instance in allowed_rows(model):
        yield instance


def allowed_rows(model: FileModel) -> Iterator[tuple[Row, Any]]:
    """Return each row of a reference that is an instance of the model's input, with that instance."""
    is_valid = model.input.validator().is_valid
    for row, instance, is_known in _read(model):
        if is_known or is_valid(instance):
            yield row, instance


def count_reference(model: FileModel) -> int:
    """Count the rows of a reference, without reading their cells."""
    if model.reference is None:
        return 0
    return sum(1 for _ in read_csv(model.reference, _wrong(model), model.input.instance.properties).rows)


def _read(model: FileModel) -> Iterator[tuple[Row, Any, bool]]:
    """Return each row with its instance, and whether that is known to be valid."""
    if model.reference is None:
        return
    file = read_csv(model.reference, _wrong(model), model.input.instance.properties)
    read = row_reader(model.input, file.names)
    for row in file.rows:
        yield row, *read(row)


def row_reader(declared: Schema, names: Sequence[str]) -> Callable[[Row], tuple[Any, bool]]:
    """Return a function that makes an instance of a row, and says whether it is known to be valid.

    The row is validated as a whole, or slowly cell by cell.
    """
    schema, is_valid = declared.instance, declared.validator().is_valid
    if schema.types in ({"number"}, {"string"}):
        return lambda row: (typed_cell(row.texts[0], schema), False)
    as_read, cell_by_cell = _array_readers(schema) if schema.form == "array" else _object_readers(schema, names)

    def read(row: Row) -> tuple[Any, bool]:
        instance = as_read(row)
        is_known = instance is not None and is_valid(instance)
        return (instance, True) if is_known else (cell_by_cell(row), False)

    return read


def _array_readers(schema: InstanceSchema) -> tuple[Callable[[Row], Any], Callable[[Row], Any]]:
    return Row.values, lambda row: [typed_cell(text, schema.feature(place)) for place, text in enumerate(row.texts)]


def _object_readers(schema: InstanceSchema, names: Sequence[str]) -> tuple[Callable[[Row], Any], Callable[[Row], Any]]:
    properties, columns = schema.properties, {name: place for place, name in enumerate(names)}
    required = {name: properties[name] for name in schema.required if name in properties}
    nulls = {name for name, part in required.items() if part.is_nullable and part.takes(None)}
    places = [(name, columns[name]) for name in properties if name in columns]
    texts = [place for name, place in places if "string" in properties[name].types]
    read, order = [name for name, _ in places], [place for _, place in places]
    is_in_order = order == [*range(len(names))]
    absent = dict.fromkeys(nulls - columns.keys())

    def as_read(row: Row) -> Any:
        values = row.values()
        if any(values[place] is None and row.texts[place] for place in texts):  # NA may be a text
            return None
        return instance(values if is_in_order else [values[place] for place in order])

    def cell_by_cell(row: Row) -> Any:
        cells = ((name, row.texts[place]) for name, place in places)
        return instance([typed_cell(text, properties[name]) if text else None for name, text in cells])

    def instance(cells: Sequence[Any]) -> Any:
        found = dict(zip(read, cells, strict=True))
        if None in cells:
            found = {name: cell for name, cell in found.items() if cell is not None or name in nulls}
        return {**found, **absent}

    return as_read, cell_by_cell


def require_reference(model: FileModel) -> None:
    """Raise `SpecError` for a reference of which no row is an instance.

    The same applies to one that lacks a required feature, or has a text for a number.
    """
    if model.reference is None:
        return
    wrong, properties = _wrong(model), model.input.instance.properties
    mistakes = _mistakes(model, read_csv(model.reference, wrong, properties)) if properties else ()
    said = list(islice(mistakes, MAX_MISTAKES)) or list(islice(_unusable(model), MAX_MISTAKES))
    if found := [diagnostic for mistake in said for diagnostic in wrong(mistake).diagnostics]:
        raise SpecError(found)


def _unusable(model: FileModel) -> Iterator[str]:
    """Describe the mistake in the first row, if none is an instance of the input."""
    validator = model.input.validator()
    count, first = 0, None
    for row, instance, _ in _read(model):
        if validator.is_valid(instance):
            return
        first = first or (row, instance)
        count += 1
    if first is None:
        yield "there are no rows below the header line"
        return
    row, instance = first
    for violation in validator.violations(instance):
        rows = f"none of its {count:,} rows matches the input" if count > 1 else "its only row does not match the input"
        yield f"{rows}; {explain_row(row, violation)}"


def explain_row(row: Row, violation: Violation) -> str:
    """Say in which line and column a row does not match the input, and why."""
    name = _column(violation)
    if isinstance(name, int):
        name = list(row.cells)[name] if name < len(row.cells) else None
    where = f'column "{name}": ' if name is not None else ""
    is_empty = violation.keyword == "required"
    detail = "the cell is empty, and the input requires a value" if is_empty else violation.detail
    return f"line {row.line}: {where}{detail}"


def _column(violation: Violation) -> Any:
    return next((one for one in (*violation.path, violation.name) if one != ""), None)


def refused_rows(model: FileModel) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Warn of the rows of a reference that are no instances: a path in the model's entry and a message for each reason.

    Reasons are those of the first such rows; so many rows are judged as the proof may ask.
    """
    if model.reference is None:
        return
    validator, reasons = model.input.validator(), dict[tuple[Any, str], tuple[tuple[str | int, ...], str]]()
    count = refused = cells = 0
    for row, instance, is_known in _read(model):
        if cells >= MAX_CELLS:
            break
        count, cells = count + 1, cells + len(row.texts)
        if is_known or validator.is_valid(instance):
            continue
        refused += 1
        for violation in validator.violations(instance) if refused <= MAX_EXPLAINED else ():
            reasons.setdefault(
                (_column(violation), violation.keyword), (violation.schema_path, explain_row(row, violation))
            )
    first = "the first " * (cells >= MAX_CELLS)
    them = "does not match the input and is" if refused == 1 else "do not match the input and are"
    said = f"{refused:,} of {first}{plural(count, 'row')} of {model.reference.name} {them} left out of the proof"
    for path, reason in islice(reasons.values(), MAX_MISTAKES):
        yield ("input", *path), f"{said}; {reason}"


def _mistakes(model: FileModel, file: CsvFile) -> Iterator[str]:
    properties = model.input.instance.properties
    for name in model.input.instance.required:
        if name in properties and name not in file.names:
            known = did_you_mean(name, file.names, "its columns are")
            yield f'there is no column "{name}" {known}, which the input requires'
    numbers = [name in properties and properties[name].types <= _NUMBERS for name in file.names]
    row = None
    for row in file.rows:
        values = row.values()
        if {*map(type, values)} & _OTHERS:
            for name, value, is_number in zip(file.names, values, numbers, strict=True):
                if is_number and type(value) in _OTHERS:
                    yield f"line {row.line}: {row.not_a_number(name)}"
    if row is None:
        yield "there are no rows below the header line"


def _wrong(model: FileModel) -> Wrong:
    name = model.reference.name if model.reference is not None else ""
    return lambda message: model.error(f"{name}: {message}", "reference")


def typed_cell(text: str, schema: Subschema) -> Any:
    """Read a cell as a number, a boolean or a text, the first of these that the schema allows.

    A missing value such as NA is a text if the schema allows it as one, and else None.
    """
    value = read_cell(text)
    return next(filter(schema.takes, (text,) if value is None else (value, text)), value)
