"""The rows of a CSV by a key, each an instance of another model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, cast

from engine.errors import RefusedInstance, SpecError, UnknownKey
from engine.models.composing.composed import Composed, Parts
from engine.models.composing.part import join_refusals
from engine.models.data.csv_file import CsvFile, Row, Wrong, parse_csv
from engine.models.data.reference import MAX_MISTAKES, explain_row, row_reader, typed_cell
from engine.models.files.modules import hash_file
from engine.models.runtime.answer import Answer
from engine.schema import show
from engine.spec import Composition, Model, Table
from engine.text import did_you_mean

MAX_ROWS = 100_000
_Kept = tuple[int, tuple[str, ...]]


def compose_table(model: Composition, parts: Parts) -> Composed:
    """Make the table, whose rows are read when they are asked for."""
    table = cast("Table", model)
    (part,) = parts.values()
    rows, read = _keyed(table, part.model)
    shows_all = table.output.probabilities

    def answer(instances: Any) -> Answer:
        keys = [instance[table.key] for instance in instances]
        if unknown := [place for place, key in enumerate(keys) if key not in rows]:
            raise join_refusals([_unknown(table, place, keys[place]) for place in unknown])
        try:
            found = part.predictor.answer([read(rows[key]) for key in keys])
        except RefusedInstance as refused:
            told = [_told(table, rows[keys[one.row]][0], one) for one in (refused, *refused.others)]
            raise join_refusals(told, are_all=refused.are_all) from refused
        return Answer(found.result, found.probabilities if shows_all else None)

    facts = part.facts
    title = f"rows of {table.file.name} for {part.name}"
    return Composed(
        answer,
        part.wording,
        facts.kind,
        facts.result,
        title,
        facts.threshold,
        file=str(table.file),
        size=len(table.data),
        identity=hash_file(table.data),
    )


def _keyed(table: Table, model: Model) -> tuple[dict[Any, _Kept], Callable[[_Kept], Any]]:
    """Return the rows by their keys, and a function that makes an instance of a row.

    A row is kept as its line and a tuple of texts, which the collector of cycles leaves alone, other than records.
    """
    file = _open(table, model)
    read = row_reader(model.input, file.names)
    schema, place = table.input.instance.properties[table.key], file.names.index(table.key)
    kept = {typed_cell(row.texts[place], schema): (row.line, tuple(row.texts)) for row in file.rows}
    return kept, lambda one: read(Row(one[0], file.names, one[1]))[0]


def _open(table: Table, model: Model) -> CsvFile:
    """Read the file's head; raise `SpecError` where it lacks the key."""
    file = parse_csv(table.data, _wrong(table), (table.key, *model.input.instance.properties))
    if table.key not in file.names:
        known = did_you_mean(table.key, file.names, "its columns are")
        raise table.error(f'{table.file.name} has no column "{table.key}" {known}', "key")
    return file


def check_table(model: Composition, parts: Parts) -> None:
    """Raise `SpecError` for rows that are no instances of the model, and keys that are missing or not unique."""
    table = cast("Table", model)
    (part,) = parts.values()
    wrong = _wrong(table)
    said = list(islice(_mistakes(table, part.model), MAX_MISTAKES))
    if found := [diagnostic for mistake in said for diagnostic in wrong(mistake).diagnostics]:
        raise SpecError(found)


def _mistakes(table: Table, model: Model) -> Iterator[str]:
    file = _open(table, model)
    lacking = [name for name in model.input.instance.required if name not in file.names]
    for name in lacking:
        known = did_you_mean(name, file.names, "its columns are")
        yield f'there is no column "{name}" {known}, which the model "{model.name}" requires'
    if lacking:
        return
    read, validator = row_reader(model.input, file.names), model.input.validator()
    schema, place = table.input.instance.properties[table.key], file.names.index(table.key)
    lines: dict[Any, int] = {}
    for count, row in enumerate(file.rows):
        if count == MAX_ROWS:
            yield f"it has more than {MAX_ROWS:,} rows, all of which each worker would hold in memory; keep fewer"
            return
        yield from _mistakes_in_key(table, row, typed_cell(row.texts[place], schema), lines)
        instance, is_known = read(row)
        if not is_known and not validator.is_valid(instance):
            yield from (explain_row(row, violation) for violation in validator.violations(instance))
    if not lines:
        yield "there are no rows below the header line"


def _mistakes_in_key(table: Table, row: Row, key: Any, lines: dict[Any, int]) -> Iterator[str]:
    where = f'line {row.line}: column "{table.key}": '
    if key is None or key == "":
        yield f"{where}the cell is empty, and each row needs a key"
        return
    if not table.input.instance.properties[table.key].takes(key):
        yield f"{where}{show(key)} is not a key that the input of this entry allows"
    first = lines.setdefault(key, row.line)
    if first != row.line:
        yield f"{where}{show(key)} is in line {first} too; keys must be unique"


def _unknown(table: Table, place: int, key: Any) -> RefusedInstance:
    return UnknownKey(place, f'there is no row with "{table.key}" {show(key)}', key=table.key)


def _told(table: Table, line: int, refused: RefusedInstance) -> RefusedInstance:
    return RefusedInstance(refused.row, f"{refused.reason} (in line {line} of {table.file.name})", key=table.key)


def _wrong(table: Table) -> Wrong:
    return lambda message: table.error(f"{table.file.name}: {message}", "table")
