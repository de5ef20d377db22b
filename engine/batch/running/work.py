"""What a process does with a block: read it, score it, write it."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from engine.batch.formats.csvblocks import CsvLayout
from engine.batch.formats.parsed import Block, Parsed, RecordLayout, Unit, Writer
from engine.batch.scoring.record_batch import ABSENT, BadRow
from engine.batch.scoring.score import Scorer
from engine.batch.scoring_errors import Unreadable
from engine.collecting import pause_collector
from engine.models import Snapshot, restore_alone
from engine.schema import clip

MOST_SHOWN = 10
_MOST_TEXT = 4096  # characters of a row that could not be read, in a report
_FAST = 1  # of gzip's levels: others take longer than the predictions


@dataclass(frozen=True, slots=True)
class Job:
    """What is done with the blocks of a file; `stops` ends the output before the first bad row."""

    layout: RecordLayout
    writer: Writer
    is_compressed: bool = False
    stops: bool = False


@dataclass(frozen=True, slots=True)
class RowProblem:
    """One thing that is wrong with a row, at its line, or at its number in a file without lines."""

    line: int
    column: str
    value: Any
    reason: str
    unit: Unit = "line"

    def __str__(self) -> str:
        place = self.line if self.unit == "line" else f" row {self.line}"
        return f"{place}: {self.said}"

    @property
    def said(self) -> str:
        """What is wrong, without the place."""
        is_named = not self.column or self.reason.startswith(f"{self.column} ")
        return self.reason if is_named else f"{self.column}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Done:
    """A block that was scored: its output, its rows and bad rows, and the offset and line where the next one begins.

    `report` has all problems as JSON Lines, `problems` the first of them. `unreadable` ends the run.
    """

    end: int
    line: int
    output: bytes = b""
    rows: int = 0
    bad: int = 0
    report: bytes = b""
    problems: Sequence[RowProblem] = field(default_factory=tuple)
    unreadable: tuple[int, str] | None = None


class Work:
    """Scores blocks with the model of a snapshot."""

    def __init__(self, payload: bytes) -> None:
        """Restore the first model of the snapshot, with those that it asks; no file is read."""
        snapshot = Snapshot.load(payload)
        self.model = next(iter(snapshot.spec.models.values()))
        self._predictor = restore_alone(snapshot.spec, snapshot.prepared, self.model.name)
        self._scorers: dict[int, Scorer] = {}

    def __call__(self, job: Job, block: Block) -> Done:
        with pause_collector():
            return self._score(job, block)

    def _score(self, job: Job, block: Block) -> Done:
        try:
            parsed = job.layout.parse(block)
        except Unreadable as error:
            return Done(block.end, block.end_line, unreadable=(error.line, error.reason))
        scorer = self.scorer(len(parsed.batch.columns))
        scored = scorer(parsed.batch)
        problems = [_problem(parsed, one, job.layout.unit) for one in scored.bad]
        bad = len(scored.bad_rows)
        if job.stops and scored.bad:
            first = scored.bad[0].row
            parsed, scored = parsed.before(first), scored.before(first)
        if isinstance(job.layout, CsvLayout) and job.writer.needs_values:
            parsed = _with_values(parsed, job.layout, scorer)
        try:
            output = job.writer.write(parsed, scored)
        except Unreadable as error:
            return Done(block.end, block.end_line, unreadable=(error.line, error.reason))
        if job.is_compressed:
            output = gzip.compress(output, _FAST, mtime=0)
        report = b"".join(map(_reported, problems))
        return Done(block.end, block.end_line, output, parsed.batch.count, bad, report, problems[:MOST_SHOWN])

    def scorer(self, width: int) -> Scorer:
        """Return what scores rows of so many columns."""
        if width not in self._scorers:
            self._scorers[width] = Scorer(self.model, self._predictor, width)
        return self._scorers[width]


def _problem(parsed: Parsed, bad: BadRow, unit: Unit) -> RowProblem:
    text = parsed.texts.get(bad.row)
    value = bad.value if text is None else clip(text, _MOST_TEXT)
    return RowProblem(parsed.lines[bad.row], bad.column, value, bad.reason, unit)


def _reported(one: RowProblem) -> bytes:
    report = {one.unit: one.line, "column": one.column or None, "value": one.value, "reason": one.reason}
    return orjson.dumps(report, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY, default=str)


def _with_values(parsed: Parsed, layout: RecordLayout, scorer: Scorer) -> Parsed:
    """Have the features of a CSV as the values that the model got; other columns are texts."""
    column: Callable[[str], Sequence[Any]] = parsed.column
    fields = {name: scorer.layout.fields[key] for key, name in layout.keys.items() if key in scorer.layout.fields}

    def values(name: str) -> Sequence[Any]:
        cells = column(name)
        if name not in fields:
            return cells
        read = (fields[name].instance_cell(cell) for cell in cells)
        return [None if value is ABSENT else value for value in read]

    return replace(parsed, column=values)
