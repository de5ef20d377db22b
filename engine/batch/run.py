"""A file → its predictions in another file, or on standard output, in the order of its rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from engine.batch.csvblocks import CsvLayout, csv_blocks
from engine.batch.csvopening import Expected, absent, open_csv
from engine.batch.csvwriting import CsvWriter
from engine.batch.errors import BatchError, Unreadable, taken
from engine.batch.inputs import STDIN, FormatName, Input, Stream, format_of, is_compressed
from engine.batch.jsonlines import JsonLayout, JsonWriter, json_blocks
from engine.batch.output import Files, Report, State, Stdout
from engine.batch.parsed import Block, Layout, Writer
from engine.batch.pool import Pool
from engine.batch.predictions import PredictionColumns
from engine.batch.work import MOST_SHOWN, Done, Job, Problem
from engine.errors import did_you_mean, plural, printable
from engine.models import Prepared
from engine.spec import Model


@dataclass(frozen=True, slots=True)
class Options:
    """How files are scored.

    `format` and `output_format` hold where a name tells none. Of the input's columns, all are carried over unless it is
    `only_predictions`, or `columns` names some. Without `errors` or `skips`, a bad row ends the run.
    """

    format: FormatName | None = None
    output_format: FormatName | None = None
    only_predictions: bool = False
    columns: tuple[str, ...] | None = None
    prefix: str = ""
    separator: str | None = None
    has_header: bool = True
    skips: bool = False
    resumes: bool = False
    block_bytes: int = 1024 * 1024


@dataclass(slots=True)
class Total:
    """What became of a file: the rows, the bad ones, and notes for people."""

    rows: int = 0
    bad: int = 0
    resumed: int = 0
    notes: list[str] = field(default_factory=list)


Tell = Callable[[int, int | None, int | None], None]
"""Hears of the rows that were scored, and of how many bytes of the file were read, where that is known."""


class BadRows(BatchError):
    """Some rows are bad, and nobody said that they may be."""

    def __init__(self, name: str, problems: list[Problem], bad: int, *, is_whole: bool, written: bool) -> None:
        lines = [printable(f"{name}:{problem}") for problem in problems[:MOST_SHOWN]]
        count = plural(bad, "bad row") if is_whole else f"{plural(bad, 'bad row')} so far"
        then = "the output ends before it" if written else "nothing was written"
        lines.append(f"{count}; {then}. To continue with empty predictions, use --errors FILE or --skip-errors")
        super().__init__("\n".join(lines))


@dataclass(frozen=True, slots=True)
class Target:
    """Where the predictions for one input go, None for standard output, and the bad rows if anywhere."""

    predictions: Path | None
    errors: Path | None = None
    names_file: bool = False


class Runner:
    """Scores files with one model."""

    def __init__(self, model: Model, prepared: Prepared, pool: Pool, options: Options) -> None:
        """Prepare; the pool has the model's snapshot."""
        self._model = model
        self._pool = pool
        self._options = options
        self._predictions = PredictionColumns.of(model, prepared.keys, prepared.lengths, options.prefix)
        self._expected = Expected.of(model, prepared.columns(model).count)
        self._key = f"{prepared.key} {prepared.sha256}"

    def score(self, source: Input, target: Target, tell: Tell) -> Total:
        """Score a file; raise `BatchError`."""
        stream = source.open()
        try:
            opened = self._open(source, stream, target)
            if target.predictions is None:
                return self._to_stdout(opened, target.errors, tell)
            return self._to_file(source, opened, target, tell)
        except Unreadable as error:
            raise BatchError(f"{source.shown}:{error.line}: {error.reason}") from None
        finally:
            if source.name != STDIN:
                stream.close()

    def _open(self, source: Input, stream: Stream, target: Target) -> _Opened:
        """Read the beginning of a file, and decide how it is read and written."""
        options = self._options
        kind = options.format or format_of(source.name)
        if source.name.lower().endswith((".parquet", ".pq")):
            raise BatchError(f"{source.name}: Parquet files are not read; convert the file to CSV or JSON Lines")
        if kind is None:
            raise BatchError(f"{source.shown}: its name does not tell its format; use --format csv or --format jsonl")
        name = target.predictions.name if target.predictions is not None else ""
        written = options.output_format or format_of(name) or kind
        layout: Layout
        if kind == "csv":
            table, offset, line, ahead = open_csv(
                stream, source.shown, self._expected, options.separator, has_header=options.has_header
            )
            layout, notes = table, self._absent(table)
        else:
            expected = self._expected
            names = () if options.only_predictions or options.columns is not None else self._predictions.names
            layout, offset, line, ahead = JsonLayout(expected.form, expected.features, expected.count, names), 0, 1, b""
            notes = []
        writer = self._writer(layout, written, source.shown)
        is_alone = target.predictions is None and target.errors is None and not options.skips
        job = Job(
            layout,
            writer,
            is_compressed=is_compressed(name),
            stops=is_alone,
            names_file=source.shown if target.names_file else "",
        )
        return _Opened(source.shown, stream, job, offset, line, ahead, notes)

    def _absent(self, layout: CsvLayout) -> list[str]:
        missing = absent(layout, self._expected)
        if not missing:
            return []
        shown = ", ".join(missing[:MOST_SHOWN]) + (", …" if len(missing) > MOST_SHOWN else "")
        return [f"there is no column for {shown}; the model's input allows that, and the values are missing"]

    def _writer(self, layout: Layout, written: FormatName, name: str) -> Writer:
        carried = self._carried(layout, name)
        kept = layout.names if carried is None else carried
        if isinstance(layout, CsvLayout):
            for one in self._predictions.names:
                if one in kept:
                    column = f'a column "{one}"'
                    raise BatchError(f"{name}:1: {taken(column)}")
        if written == "csv":
            if isinstance(layout, CsvLayout):
                return CsvWriter(
                    self._predictions, layout.names, carried, layout.separator, layout.ending, mark=layout.mark
                )
            if carried is None:
                raise BatchError(
                    f"{name}: the objects of JSON Lines may differ in their keys, and a CSV has one set of columns; "
                    "use --columns a,b or --only-predictions"
                )
            return CsvWriter(self._predictions, carried=carried)
        if carried is None and isinstance(layout, CsvLayout):
            carried = layout.names
        return JsonWriter(self._predictions, carried, self._expected.form)

    def _carried(self, layout: Layout, name: str) -> tuple[str, ...] | None:
        """Name the columns to carry over, None for rows as they are; raise `BatchError` for one that is not there."""
        if self._options.only_predictions:
            return ()
        columns = self._options.columns
        if columns is None or not isinstance(layout, CsvLayout):
            return columns
        for column in columns:
            if column not in layout.names:
                known = did_you_mean(column, layout.names, "the columns are")
                raise BatchError(f'{name}:1: --columns: there is no column "{column}" {known}')
        return columns

    def _to_stdout(self, opened: _Opened, errors: Path | None, tell: Tell) -> Total:
        output, total = Stdout(), Total(notes=opened.notes)
        output.write(opened.job.writer.head())
        with Report(errors) as report:
            for done in self._done(opened, tell, total):
                output.write(done.output)
                report.write(done.report)
                if done.bad and opened.job.stops:
                    first = [one for one in done.problems if one.line == done.problems[0].line]
                    raise BadRows(opened.name, first, 1, is_whole=False, written=True)
        return total

    def _to_file(self, source: Input, opened: _Opened, target: Target, tell: Tell) -> Total:
        if target.predictions is None:
            raise ValueError("there is no file")
        if self._options.resumes and source.name == STDIN:
            raise BatchError("stdin cannot be resumed: the lines already read are gone")
        run = self._identify(source, opened) if source.name != STDIN else ""
        with Files(target.predictions, target.errors, run) as files:
            try:
                return self._fill(opened, target, files, tell)
            except (BadRows, Unreadable):
                files.drop()
                raise
            except BaseException:
                if not files.can_resume:
                    files.drop()
                raise

    def _fill(self, opened: _Opened, target: Target, files: Files, tell: Tell) -> Total:
        total = Total(notes=opened.notes)
        state = files.resume() if self._options.resumes else None
        if state is not None:
            opened = opened.at(state)
            total.rows, total.bad, total.resumed = state.rows, state.bad, state.rows
        else:
            files.begin()
            files.predictions.write(_compressed(opened.job, opened.job.writer.head()))
        try:
            self._write(opened, target, files, total, tell)
        except (KeyboardInterrupt, BatchError) as error:
            if not isinstance(error, BadRows):
                files.save_last()
            raise
        files.finish()
        return total

    def _write(self, opened: _Opened, target: Target, files: Files, total: Total, tell: Tell) -> None:
        """Write all rows; raise `BadRows` if there are any that nobody allowed."""
        fails = target.errors is None and not self._options.skips
        problems: list[Problem] = []
        for done in self._done(opened, tell, total):
            if fails and done.bad:
                problems += done.problems
                if total.bad >= MOST_SHOWN:
                    raise BadRows(opened.name, problems, total.bad, is_whole=False, written=False)
            if problems:
                continue
            files.predictions.write(done.output)
            if files.errors is not None:
                files.errors.write(done.report)
            if opened.is_seekable:
                files.reached(done.end, done.line, total.rows, total.bad)
        if problems:
            raise BadRows(opened.name, problems, total.bad, is_whole=True, written=False)

    def _done(self, opened: _Opened, tell: Tell, total: Total) -> Iterator[Done]:
        """Score all blocks, and count; raise `Unreadable`."""
        tell(total.rows, opened.stream.position, opened.stream.size)
        for done in self._pool.run(opened.job, opened.blocks(self._options.block_bytes)):
            if done.unreadable is not None:
                raise Unreadable(*done.unreadable)
            total.rows += done.rows
            total.bad += done.bad
            yield done
            tell(total.rows, opened.stream.position, opened.stream.size)

    def _identify(self, source: Input, opened: _Opened) -> str:
        """Identify a run by all that its output depends on."""
        made_of: list[Any] = [source.identify(), self._key, repr(opened.job), opened.offset]
        return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()


@dataclass(slots=True)
class _Opened:
    """A file whose beginning was read: where its rows begin, and what is done with them."""

    name: str
    stream: Stream
    job: Job
    offset: int
    line: int
    ahead: bytes
    notes: list[str]

    @property
    def is_seekable(self) -> bool:
        """Whether another run can continue in the middle."""
        return self.stream.size is not None

    def at(self, state: State) -> _Opened:
        """Move to where an interrupted run has stopped."""
        self.stream.seek(state.offset)
        return replace(self, offset=state.offset, line=state.line, ahead=b"")

    def blocks(self, size: int) -> Iterator[Block]:
        """Read the rows."""
        stream = self.stream.prefixed(self.ahead)
        layout = self.job.layout
        if isinstance(layout, CsvLayout):
            return csv_blocks(stream, layout, self.offset, self.line, size)
        return json_blocks(stream, self.offset, self.line, size)


def _compressed(job: Job, data: bytes) -> bytes:
    import gzip  # noqa: PLC0415 - few outputs are compressed

    return gzip.compress(data, mtime=0) if job.is_compressed and data else data
