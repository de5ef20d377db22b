"""A piece of a file → its part in the folder, on whichever machine that happens, as often as it happens."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

import orjson

from engine.batch.formats.opened import RowFile
from engine.batch.on_ray.pieces import PartsPlan, Piece, open_rows
from engine.batch.on_ray.storage import Folder
from engine.batch.running.work import MOST_SHOWN, Done, Job, RowProblem, Work
from engine.batch.scoring_errors import BatchError

HIDDEN = ".run"
"""The folder inside of a folder of parts that has what an unfinished run needs."""


@dataclass(frozen=True, slots=True)
class PieceResult:
    """What became of a piece: its part is complete, unless there are bad rows that nobody allowed, or an `error`.

    With bad rows, `is_whole` says that all of them were counted.
    """

    number: int
    source: int
    rows: int = 0
    bad: int = 0
    problems: Sequence[RowProblem] = ()
    error: str = ""
    is_whole: bool = True


class PieceScoring:
    """Scores pieces with the model of a snapshot."""

    def __init__(self, payload: bytes, plan: PartsPlan) -> None:
        self._work = Work(payload)
        self._plan = plan
        self._folder = Folder(plan.folder)

    def __call__(self, piece: Piece, identity: Sequence[object]) -> PieceResult:
        """Score a piece; to do so again changes nothing."""
        source = self._plan.sources[piece.source]
        try:
            if [*identity] != source.identify():
                return PieceResult(piece.number, piece.source, error=f"{source.shown} was changed during the run")
            stream = source.open()
            try:
                opened, job = open_rows(self._plan, piece.source, stream)
                return self._score(piece, opened.at(piece.offset, piece.line, piece.until), job)
            finally:
                stream.close()
        except _Ended as ended:
            return ended.result
        except BatchError as error:
            return PieceResult(piece.number, piece.source, error=str(error))

    def _score(self, piece: Piece, opened: RowFile, job: Job) -> PieceResult:
        total = _Total(piece, self._plan)
        blocks = (self._work(job, block) for block in opened.blocks(self._plan.options.block_bytes))
        with self._folder.writing(self._plan.part_name(piece.number), HIDDEN) as part:
            if self._plan.reports:
                with self._folder.writing(f"{HIDDEN}/{report_name(piece.number)}", HIDDEN) as report:
                    _write(part, job, total.counted(blocks, report))
            else:
                _write(part, job, total.counted(blocks, None))
        result = PieceResult(piece.number, piece.source, total.rows, total.bad)
        with self._folder.writing(f"{HIDDEN}/{state_name(piece.number)}", HIDDEN) as state:
            state.write(orjson.dumps({"rows": result.rows, "bad": result.bad}))
        return result


class _Ended(Exception):
    """A piece gets no part."""

    def __init__(self, result: PieceResult) -> None:
        self.result = result
        super().__init__(result)


class _Total:
    """What comes of the blocks of a piece."""

    def __init__(self, piece: Piece, plan: PartsPlan) -> None:
        self._piece = piece
        self._plan = plan
        self.rows = self.bad = 0

    def counted(self, blocks: Iterator[Done], report: IO[bytes] | None) -> Iterator[bytes]:
        """Yield each block's output and report its bad rows; raise `_Ended` if bad rows are not allowed."""
        problems: list[RowProblem] = []
        for done in blocks:
            if done.unreadable is not None:
                line, reason = done.unreadable
                shown = self._plan.sources[self._piece.source].shown
                raise _Ended(self._result(problems, error=f"{shown}:{line}: {reason}"))
            self.rows += done.rows
            self.bad += done.bad
            if report is not None:
                report.write(done.report)
            if self._plan.fails and done.bad:
                problems += done.problems
                if self.bad >= MOST_SHOWN:
                    raise _Ended(self._result(problems, is_whole=next(blocks, None) is None))
            if not problems:
                yield done.output
        if problems:
            raise _Ended(self._result(problems))

    def _result(self, problems: Sequence[RowProblem], error: str = "", *, is_whole: bool = True) -> PieceResult:
        piece = self._piece
        shown = tuple(problems[:MOST_SHOWN])
        return PieceResult(piece.number, piece.source, self.rows, self.bad, shown, error, is_whole)


def report_name(number: int) -> str:
    """Name the file with the bad rows of a piece."""
    return f"part-{number:05}.report"


def state_name(number: int) -> str:
    """Name the file that says that a part is complete."""
    return f"part-{number:05}.done"


def number_of(name: str) -> int | None:
    """Return the number of the part that a file says is complete, None for any other file."""
    found = re.fullmatch(r"part-(\d{5,})\.done", name)
    return None if found is None else int(found[1])


def _write(part: IO[bytes], job: Job, outputs: Iterator[bytes]) -> None:
    """Write a part, in which a Parquet file is made of the streams of its blocks."""
    from engine.batch.formats.parquetwriting import ParquetFile, ParquetWriter  # noqa: PLC0415

    head = job.writer.head()
    if isinstance(job.writer, ParquetWriter):
        with ParquetFile(part) as file:
            file.write(head)
            for output in outputs:
                file.write(output)
        return
    part.write(head)
    for output in outputs:
        part.write(output)
