"""A run: inputs are cut into pieces, the pieces that have no part yet are scored, and the folder is finished.

Which machines cut and score is up to a `Crew`, so that all of this is the same on one of them.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Protocol

import orjson

from engine.batch.on_ray.piece_scoring import HIDDEN, PieceResult, number_of, report_name
from engine.batch.on_ray.pieces import CutFile, PartsPlan, Piece
from engine.batch.on_ray.storage import Folder, without_secrets
from engine.batch.running.work import MOST_SHOWN, RowProblem
from engine.batch.scoring_errors import BatchError
from engine.text import make_printable, plural

SUCCESS = "_SUCCESS"
NOTHING_LEFT = "there is no interrupted run to continue; all rows are scored"
_PART = re.compile(r"part-\d{5,}\.(csv|jsonl|parquet)")
_STATE = f"{HIDDEN}/run.json"

Tell = Callable[[int, int, int], None]
"""Hears of the rows that were scored, and of how many pieces of all of them."""


class Crew(Protocol):
    """Who cuts files and scores pieces."""

    def cut(self, plan: PartsPlan) -> Iterator[CutFile]:
        """Cut the inputs of a plan, in any order."""

    def score(self, plan: PartsPlan, pieces: Sequence[tuple[Piece, Sequence[object]]]) -> Iterator[PieceResult]:
        """Score pieces, each with the identity of its input; give what becomes of them in any order."""


@dataclass(slots=True)
class PartsTotal:
    """What became of a run: rows, bad ones and parts, those that were there already, and notes for people."""

    rows: int = 0
    bad: int = 0
    parts: int = 0
    resumed: int = 0
    resumed_parts: int = 0
    notes: list[str] = field(default_factory=list)

    def say(self, shown: str, output: str, errors: str | None, rate: str) -> str:
        """Say what became of the inputs, in a line."""
        scored = f"{plural(self.rows, 'row')} ({rate})"
        if self.resumed and self.resumed == self.rows:
            scored = "already scored"
        bad = f"; {plural(self.bad, 'bad row')}" if self.bad else ""
        reported = f", reported in {errors}" if self.bad and errors else ""
        return f"{shown} -> {without_secrets(output)}: {scored} in {plural(self.parts, 'part')}{bad}{reported}"


class BadParts(BatchError):
    """Some rows are bad, and nobody said that they may be."""

    def __init__(
        self, plan: PartsPlan, problems: Sequence[tuple[int, RowProblem]], bad: int, *, is_whole: bool
    ) -> None:
        lines = [make_printable(f"{plan.sources[source].shown}:{problem}") for source, problem in problems[:MOST_SHOWN]]
        count = plural(bad, "bad row") if is_whole else f"{plural(bad, 'bad row')} so far"
        folder = Folder(plan.folder).shown.rstrip("/")
        then = f"the parts with them were not written, and {folder}/{SUCCESS} neither"
        advice = "To continue with empty predictions, use --resume with --errors FOLDER/ or --skip-errors"
        super().__init__("\n".join([*lines, f"{count}; {then}. {advice}"]))


def score_into_parts(plan: PartsPlan, crew: Crew, reports: Mapping[int, str], tell: Tell) -> PartsTotal:
    """Score all inputs of a plan; raise `BatchError`.

    `reports` are the places of the reports on bad rows, by the numbers of the inputs; a run without any has none.
    """
    folder = Folder(plan.folder)
    cuts = sorted(crew.cut(plan), key=lambda cut: cut.source)
    for cut in cuts:
        if cut.error:
            raise BatchError(cut.error)
    every = [(piece, cut.identity) for cut in cuts for piece in cut.pieces]
    pieces = [(replace(piece, number=number), identity) for number, (piece, identity) in enumerate(every)]
    shown = [f"{plan.sources[place].shown}: {note}" for place, cut in enumerate(cuts) for note in cut.notes]
    total = PartsTotal(parts=len(pieces), notes=shown)
    with _alone(folder):
        done = _begin(plan, folder, _identify(plan, cuts), total)
        rest = [one for one in pieces if one[0].number not in done]
        results = crew.score(plan, rest) if rest else iter(())
        _count(plan, [piece.number for piece, _ in rest], results, total, tell)
        for source, place in reports.items():
            _join_reports(folder, place, [piece.number for piece, _ in pieces if piece.source == source])
        with folder.writing(SUCCESS, HIDDEN):
            pass
        folder.delete_folder(HIDDEN)
    return total


def _count(
    plan: PartsPlan, numbers: Sequence[int], results: Iterator[PieceResult], total: PartsTotal, tell: Tell
) -> None:
    """Count what becomes of the pieces that had no part; raise `BatchError` for the first that is wrong, by order."""
    problems: list[tuple[int, RowProblem]] = []
    bad, ready = 0, total.resumed_parts
    tell(total.rows, ready, total.parts)
    for result in in_order(_told(results, total, tell), numbers):
        if result.error:
            raise BatchError(result.error)
        ready += 1
        bad += result.bad
        problems += [(result.source, problem) for problem in result.problems]
        if problems and bad >= MOST_SHOWN:
            raise BadParts(plan, problems, bad, is_whole=result.is_whole and ready == total.parts)
    if problems:
        raise BadParts(plan, problems, bad, is_whole=True)


def _told(results: Iterator[PieceResult], total: PartsTotal, tell: Tell) -> Iterator[PieceResult]:
    """Add results up as they come, and tell how far the run is."""
    for ready, result in enumerate(results, total.resumed_parts + 1):
        total.rows += result.rows
        total.bad += result.bad
        yield result
        tell(total.rows, ready, total.parts)


def in_order(results: Iterator[PieceResult], numbers: Sequence[int]) -> Iterator[PieceResult]:
    """Give results in the order of their numbers, each as soon as all before it are there."""
    waiting: dict[int, PieceResult] = {}
    wanted = iter(numbers)
    number = next(wanted, None)
    for result in results:
        waiting[result.number] = result
        while number in waiting:
            yield waiting.pop(number)
            number = next(wanted, None)


def _begin(plan: PartsPlan, folder: Folder, run: str, total: PartsTotal) -> Mapping[int, PieceResult]:
    """Begin or continue; return what is complete already. Raises `BatchError` for another run's state."""
    mode = "fails" if plan.fails else "reports" if plan.reports else "skips"
    found = _state(folder) if plan.options.resumes else None
    if found is not None:
        # Parts without bad rows are the same, whatever is done with bad rows.
        if found["run"] != run or found["mode"] not in ("fails", mode):
            raise BatchError(
                f"{folder.shown}: the interrupted run had another input, model or options; run without --resume"
            )
        done = _complete(plan, folder)
        total.notes.append(f"continued after {plural(len(done), 'part')}")
        total.rows = total.resumed = sum(result.rows for result in done.values())
        total.bad = sum(result.bad for result in done.values())
        total.resumed_parts = len(done)
    else:
        if plan.options.resumes:
            total.notes.append(NOTHING_LEFT)
        _clear(folder)
        done = {}
    with folder.writing(_STATE, HIDDEN) as state:
        state.write(orjson.dumps({"run": run, "mode": mode}))
    return done


def is_part_name(name: str) -> bool:
    """Return whether a name is that of a part, which a run overwrites and deletes."""
    return _PART.fullmatch(name) is not None


def _state(folder: Folder) -> dict[str, str] | None:
    """Return the state of an interrupted run, None where there is none."""
    try:
        found = orjson.loads(folder.read(_STATE))
    except (OSError, ValueError):
        return None
    is_state = isinstance(found, dict) and all(isinstance(found.get(key), str) for key in ("run", "mode"))
    return found if is_state else None


def _complete(plan: PartsPlan, folder: Folder) -> Mapping[int, PieceResult]:
    """Find the parts that are complete."""
    parts, states = {*folder.names()}, {*folder.names(HIDDEN)}
    found: dict[int, PieceResult] = {}
    for name in states:
        number = number_of(name)
        if number is None or plan.part_name(number) not in parts:
            continue
        try:
            state = orjson.loads(folder.read(f"{HIDDEN}/{name}"))
            found[number] = PieceResult(number, 0, int(state["rows"]), int(state["bad"]))
        except (OSError, ValueError, TypeError, KeyError):
            continue
    return found


def _clear(folder: Folder) -> None:
    """Delete what an earlier run wrote, and nothing else; first what says that it is complete."""
    folder.delete(SUCCESS)
    for name in folder.names(HIDDEN):
        if name != _LOCK:
            folder.delete(f"{HIDDEN}/{name}")
    for name in folder.names():
        if is_part_name(name):
            folder.delete(name)


def _join_reports(folder: Folder, place: str, numbers: Sequence[int]) -> None:
    """Write the report on one input: those of its pieces, one after another."""
    parent, _, name = place.rpartition("/")
    beside = Folder(parent or "/")
    with beside.writing(name, f".{name}.part") as report:
        for number in numbers:
            for piece in folder.pieces_of(f"{HIDDEN}/{report_name(number)}"):
                report.write(piece)
    beside.delete_folder(f".{name}.part")


def _identify(plan: PartsPlan, cuts: Sequence[CutFile]) -> str:
    """Identify a run by all that its parts depend on."""
    made_of = [plan.scored.key, plan.written, plan.part_bytes, [[*cut.identity, cut.job] for cut in cuts]]
    return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()


_LOCK = "lock"


@contextmanager
def _alone(folder: Folder) -> Iterator[None]:
    """Keep other runs of this machine from writing to the same folder; raise `BatchError` where one does."""
    if folder.local is None:
        yield
        return
    with _lock_file(folder.local / HIDDEN) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BatchError(f"{folder.shown} is being written by another run") from None
        yield


def _lock_file(hidden: Path) -> IO[bytes]:
    try:
        hidden.mkdir(parents=True, exist_ok=True)
        return (hidden / _LOCK).open("ab")
    except OSError as error:
        raise BatchError(f"{hidden.parent} cannot be written: {error.strerror}") from None
