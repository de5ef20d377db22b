"""A file → its predictions in another file, or on standard output, in the order of its rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from engine.batch.formats.opened import RowFile
from engine.batch.inputs import STDIN, Input
from engine.batch.outputs.output_files import Files, report_to
from engine.batch.outputs.streams import seal_for, stdout_for
from engine.batch.outputs.whole import OutputTarget, whole_state
from engine.batch.running.opening import Opener, ScoringOptions
from engine.batch.running.pool import Pool
from engine.batch.running.scored_model import ScoredModel
from engine.batch.running.work import MOST_SHOWN, Done, Job, RowProblem
from engine.batch.scoring_errors import BatchError, Unreadable
from engine.text import make_printable, plural


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

    def __init__(self, run: _Run, problems: list[RowProblem], bad: int, *, is_whole: bool) -> None:
        lines = [make_printable(f"{run.source.shown}:{problem}") for problem in problems[:MOST_SHOWN]]
        count = plural(bad, "bad row") if is_whole else f"{plural(bad, 'bad row')} so far"
        then = "the output ends before the first" if run.target.predictions is None else "nothing was written"
        report = "FILE"
        if run.target.one_of_many:
            then = f"{run.target.predictions} was not written, and those before it are complete; --resume keeps them"
            report = "FOLDER/"
        lines.append(f"{count}; {then}. To continue with empty predictions, use --errors {report} or --skip-errors")
        super().__init__("\n".join(lines))


class Runner:
    """Scores files with one model."""

    def __init__(self, scored: ScoredModel, pool: Pool, options: ScoringOptions) -> None:
        """Prepare; the pool has the model's snapshot."""
        self._pool = pool
        self._options = options
        self._opener = Opener(scored, options)
        self._key = scored.key

    def score(self, source: Input, target: OutputTarget, tell: Tell) -> Total:
        """Score a file; raise `BatchError`."""
        stream = source.open()
        try:
            opened, job = self._opener.open(source, stream, target)
            run = _Run(source, opened, job, target, tell)
            return self._to_stdout(run) if target.predictions is None else self._to_file(run, target.predictions)
        except Unreadable as error:
            raise BatchError(f"{source.shown}:{error.line}: {error.reason}") from None
        finally:
            if source.name != STDIN:
                stream.close()

    def _to_stdout(self, run: _Run) -> Total:
        total = Total(notes=[*run.opened.notes])
        with report_to(run.target.errors) as report, stdout_for(run.job.writer) as output:
            output.write(run.job.writer.head())
            for done in self._done(run, total):
                output.write(done.output)
                report(done.report)
                if done.bad and run.job.stops:
                    first = [one for one in done.problems if one.line == done.problems[0].line]
                    raise BadRows(run, first, 1, is_whole=False)
        return total

    def _to_file(self, run: _Run, predictions: Path) -> Total:
        identity = self._identify(run) if run.source.name != STDIN else ""
        if self._options.resumes and (whole := whole_state(predictions, identity)) is not None:
            return Total(whole.rows, whole.bad, whole.rows)
        with Files(predictions, run.target.errors, identity) as files:
            try:
                return self._fill(run, files)
            except (BadRows, Unreadable):
                files.drop()
                raise
            except BaseException:
                if not files.can_resume:
                    files.drop()
                raise

    def _fill(self, run: _Run, files: Files) -> Total:
        total = Total(notes=[*run.opened.notes])
        state = files.resume(total.notes) if self._options.resumes else None
        if state is not None:
            run = replace(run, opened=run.opened.at(state.offset, state.line))
            total.rows, total.bad, total.resumed = state.rows, state.bad, state.rows
            total.notes.append(f"continued after {plural(state.rows, 'row')}")
        else:
            files.begin()
            files.predictions.write(_compressed(run.job, run.job.writer.head()))
        try:
            self._write(run, files, total)
        except (KeyboardInterrupt, BatchError) as error:
            if not isinstance(error, BadRows):
                files.save_last()
            raise
        files.finish(seal_for(run.job.writer), keeps_state=run.target.one_of_many)
        return total

    def _write(self, run: _Run, files: Files, total: Total) -> None:
        """Write all rows; raise `BadRows` if there are any that nobody allowed."""
        fails = run.target.errors is None and not self._options.skips
        problems: list[RowProblem] = []
        every = self._done(run, total)
        for done in every:
            if fails and done.bad:
                problems += done.problems
                if total.bad >= MOST_SHOWN:
                    is_whole = _is_over(every)
                    raise BadRows(run, problems, total.bad, is_whole=is_whole)
            if problems:
                continue
            files.predictions.write(done.output)
            if files.errors is not None:
                files.errors.write(done.report)
            if run.opened.is_seekable:
                files.reached(done.end, done.line, total.rows, total.bad)
        if problems:
            raise BadRows(run, problems, total.bad, is_whole=True)

    def _done(self, run: _Run, total: Total) -> Iterator[Done]:
        """Score all blocks, and count; raise `Unreadable`."""
        run.tell(total.rows, run.opened.position, run.opened.size)
        for done in self._pool.run(run.job, run.opened.blocks(self._options.block_bytes)):
            if done.unreadable is not None:
                raise Unreadable(*done.unreadable)
            total.rows += done.rows
            total.bad += done.bad
            yield done
            run.tell(total.rows, run.opened.position, run.opened.size)

    def _identify(self, run: _Run) -> str:
        """Identify a run by all that its output depends on."""
        made_of: list[Any] = [
            run.source.identify(),
            self._key,
            repr(run.job),
            str(run.target.errors),
            self._options.skips,
        ]
        return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Run:
    """A file that is being scored, and who hears of it."""

    source: Input
    opened: RowFile
    job: Job
    target: OutputTarget
    tell: Tell


def _is_over(blocks: Iterator[Done]) -> bool:
    """Return whether there is no other block."""
    try:
        return next(blocks, None) is None
    except Unreadable:  # the rows before it are told first
        return False


def _compressed(job: Job, data: bytes) -> bytes:
    import gzip  # noqa: PLC0415 - few outputs are compressed

    return gzip.compress(data, mtime=0) if job.is_compressed and data else data
