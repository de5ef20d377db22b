"""Files → pieces of whole records, each of which becomes one part; they are cut by what reads files on one machine.

A text is read once for that, since only its beginning tells where the records in it begin, and on which lines.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.batch.formats.opened import OpenedText, RowFile
from engine.batch.inputs import FormatName, Stream
from engine.batch.on_ray.placed_inputs import PlacedInput
from engine.batch.outputs.whole import OutputTarget
from engine.batch.running.opening import Opener, ScoringOptions
from engine.batch.running.scored_model import ScoredModel
from engine.batch.running.work import Job
from engine.batch.scoring_errors import BatchError, Unreadable

_SCAN_BYTES = 4 * 1024 * 1024
_BLOCKS = 8  # of a piece, which ends with one of them


@dataclass(frozen=True, slots=True)
class PartsPlan:
    """What all machines know of a run; `fails` says that nobody allowed bad rows, `reports` that they are reported."""

    sources: Sequence[PlacedInput]
    scored: ScoredModel
    options: ScoringOptions
    written: FormatName
    folder: str
    part_bytes: int
    reports: bool

    @property
    def fails(self) -> bool:
        return not self.reports and not self.options.skips

    def part_name(self, number: int) -> str:
        """Name a part; they sort by their numbers."""
        return f"part-{number:05}.{self.written}"


@dataclass(frozen=True, slots=True)
class Piece:
    """Whole records of an input: where they begin, and the offset where they end, None for the end of the file."""

    source: int
    offset: int
    line: int
    until: int | None
    number: int = 0


@dataclass(frozen=True, slots=True)
class CutFile:
    """The pieces of an input, or why there are none; `identity` and `job` say what their parts depend on."""

    source: int
    pieces: Sequence[Piece] = ()
    identity: Sequence[object] = ()
    job: str = ""
    notes: Sequence[str] = field(default_factory=tuple)
    error: str = ""


def cut_file(plan: PartsPlan, place: int) -> CutFile:
    """Cut one of the inputs into pieces."""
    source = plan.sources[place]
    try:
        identity = source.identify()
        stream = source.open()
        try:
            opened, job = open_rows(plan, place, stream)
            pieces = [Piece(place, *one) for one in _ranges(opened, plan.part_bytes)]
        finally:
            stream.close()
    except Unreadable as error:
        return CutFile(place, error=f"{source.shown}:{error.line}: {error.reason}")
    except BatchError as error:
        return CutFile(place, error=str(error))
    return CutFile(place, pieces, identity, repr(job), opened.notes)


def open_rows(plan: PartsPlan, place: int, stream: Stream) -> tuple[RowFile, Job]:
    """Read the beginning of an input; raise `BatchError`."""
    target = OutputTarget(Path(plan.part_name(0)))
    return Opener(plan.scored, plan.options).open(plan.sources[place], stream, target)


def _ranges(opened: RowFile, size: int) -> Iterator[tuple[int, int, int | None]]:
    """Give where each piece begins, and its line, and where it ends; one piece for a file without rows."""
    if not isinstance(opened, OpenedText):
        for begin, end in opened.ranges(size):
            yield begin, begin + 1, end
        return
    if opened.stream.is_compressed:  # whose middle is found by decompressing all before it
        yield opened.offset, opened.line, None
        return
    offset, line, until = opened.offset, opened.line, opened.offset
    for block in opened.blocks(min(size // _BLOCKS, _SCAN_BYTES)):
        if until - offset >= size:
            yield offset, line, until
            offset, line = until, block.line
        until = block.end
    yield offset, line, until
