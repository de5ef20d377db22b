"""The choice of the program that serves a model, among the proven candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from engine.models.data.rows import repeat_rows
from engine.models.proving.comparison import MANY, seconds_for
from engine.models.proving.tryout import Tried
from engine.models.runtime.answer import Runtime
from engine.models.runtime.program import Program
from engine.models.runtime.report import Report, Trial

CLOSE_MUST_BE_FASTER = 3.0
BATCHES_MUST_BE_FASTER = 1.25  # scikit-learn has to be loaded for them, and clocks are not exact
BATCH_SIZES = (8, 64, 512)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The choice for a model: a program, None for scikit-learn itself, and another one for large batches.

    `tried` are the findings from asking scikit-learn itself. `lacked_compiler` says that the model has trees, and that
    there was no C compiler to compile them.
    """

    program: Program | None
    batch_program: Program | None
    report: Report
    tried: Tried = field(default_factory=Tried)
    lacked_compiler: bool = False


def choose_best(report: Report, trials: list[tuple[Trial, Program | None]], rows: Any, *, wanted: bool) -> Chosen:
    """Choose the fastest exact candidate for one row, or a much faster close one; batches are chosen separately.

    A runtime that the spec names need not be faster than scikit-learn.
    """
    proven = [(trial, program) for trial, program in trials if program is not None and trial.one_row is not None]
    base_one, base_many = report.one_row or 0.0, report.many_rows or 0.0
    exact = [entry for entry in proven if entry[0].verdict == "exact"]
    close = [entry for entry in proven if entry[0].verdict == "close"]
    best = _fastest(exact, "one_row")
    rival = _fastest(close, "one_row")
    bar = (best[0].one_row if best else base_one) or 0.0
    much_faster = rival is not None and (rival[0].one_row or 0.0) * CLOSE_MUST_BE_FASTER < bar
    if much_faster or (wanted and best is None):
        best = rival
    if best is None or ((best[0].one_row or 0.0) >= base_one and not wanted):
        return Chosen(None, None, replace(report, why=_why_not(trials, report.library)))
    trial, program = best
    peers = [entry for entry in proven if entry[0].verdict in ("exact", trial.verdict)]
    for_batches = _fastest(peers, "many_rows") or best
    batch_from = 0
    if for_batches[1] is not program and (for_batches[0].many_rows or 0.0) < (trial.many_rows or 0.0):
        batch_from = _crossing(program, for_batches[1], rows)
    chosen = replace(
        report,
        runtime=trial.runtime,
        batch_runtime=for_batches[0].runtime if batch_from else None,
        batch_from=batch_from,
        verdict=trial.verdict,
        worst=trial.worst,
        ties=trial.ties,
        candidate=trial.candidate,
        speed_up_one=base_one / (trial.one_row or base_one),
        speed_up_many=base_many / (min(for_batches[0].many_rows or base_many, trial.many_rows or base_many)),
    )
    return Chosen(program, for_batches[1] if batch_from else None, chosen)


def with_faster_batches(chosen: Chosen, baseline: Runtime, rows: Any) -> Chosen:
    """Leave batches to scikit-learn, from the size on at which it is clearly faster than the chosen program."""
    report, base = chosen.report, chosen.report.many_rows or 0.0
    if chosen.program is None or base * BATCHES_MUST_BE_FASTER >= _many_rows(report):
        return chosen
    size = _crossing(chosen.program, baseline, rows)
    faster = replace(report, batch_runtime="sklearn", batch_from=size, speed_up_many=1.0)
    return replace(chosen, batch_program=None, report=faster)


def _many_rows(report: Report) -> float:
    """Return the chosen program's seconds for 1,000 rows."""
    return (report.many_rows or 0.0) / report.speed_up_many


def _fastest(entries: Sequence[tuple[Trial, Program | None]], size: str) -> tuple[Trial, Program | None] | None:
    timed = [entry for entry in entries if getattr(entry[0], size) is not None]
    return min(timed, key=lambda entry: getattr(entry[0], size), default=None)


def _crossing(small: Any, large: Any, rows: Any) -> int:
    """Find the number of rows at which the other program is faster."""
    for size in BATCH_SIZES:
        some = repeat_rows(rows, size)
        if seconds_for(large, some) < seconds_for(small, some):
            return size
    return MANY


def _why_not(trials: list[tuple[Trial, Program | None]], library: str) -> str:
    tried = [trial for trial, _ in trials if trial.verdict != "failed"]
    if not tried:
        reasons: dict[str, list[str]] = {}
        for trial, _ in trials:
            reasons.setdefault(trial.reason, []).append(trial.candidate)
        return "; ".join(f"{', '.join(names)}: {reason}" for reason, names in reasons.items()) or "nothing to try"
    wrong = [f"{trial.candidate}: {trial.reason}" for trial in tried if trial.verdict == "wrong"]
    return "; ".join(wrong) or f"no proven candidate is faster than {library}"
