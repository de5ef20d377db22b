"""The comparison of a candidate with scikit-learn: exact, close or wrong; and how much faster it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine.models.data.array import Array
from engine.models.data.rows import count_rows, slice_rows
from engine.models.proving.proof_rows import ProofRows
from engine.models.runtime.answer import Answer, Refusal, Runtime
from engine.models.runtime.report import Verdict

CHUNK = 1_000
SECONDS = 20.0
HALVING_SECONDS = 3.0  # to find the rows of a refused part that are not refused
SINGLES, FEWEST_SINGLES = 40, 10
SINGLES_SECONDS = 2.0  # for more than the minimum
MANY = 1_000
PROBABILITY_TOLERANCE = 1e-5
RELATIVE_TOLERANCE = 1e-5
SPREAD_TOLERANCE = 1e-6
TIE = 1e-6
TIMING_SECONDS = 0.05


@dataclass(slots=True)
class Judgement:
    """The result of comparing a candidate."""

    verdict: Verdict = "exact"
    worst: float = 0.0
    reason: str = ""
    ties: int = 0

    def note_wrong(self, reason: str) -> None:
        """Record a difference beyond all tolerances; the first one is kept."""
        if self.verdict != "wrong":
            self.verdict, self.reason = "wrong", reason

    def note_close(self, difference: float) -> None:
        """Record a difference within the tolerances."""
        self.worst = max(self.worst, difference)
        if self.verdict == "exact":
            self.verdict = "close"


@dataclass(slots=True)
class Question:
    """Some rows and scikit-learn's response: an answer, or that it refuses them."""

    rows: Any
    answer: Answer | None


@dataclass(slots=True)
class Examination:
    """scikit-learn's answers to the proof rows, with which every candidate of a model is compared.

    `rows` is the number of rows that were asked within the budget, `refused` how many of them it refuses. `margin`
    computes, for each row, the lead of scikit-learn's best class; None if there are no classes.
    """

    margin: Callable[[Any], Array] | None = None
    questions: list[Question] = field(default_factory=list)
    spread: float = 0.0
    rows: int = 0
    refused: int = 0


def examine_baseline(baseline: Runtime, margin: Callable[[Any], Array] | None, rows: ProofRows) -> Examination:
    """Ask scikit-learn for its answers to the proof rows, as many as the budget of time allows."""
    examination = Examination(margin)
    deadline = time.monotonic() + SECONDS
    for part in rows.hard:
        _ask(examination, baseline, part)
    enough = time.monotonic() + SINGLES_SECONDS
    for index in range(min(SINGLES, count_rows(rows.plain))):
        if index >= FEWEST_SINGLES and time.monotonic() > enough:
            break
        _ask(examination, baseline, slice_rows(rows.plain, index, index + 1))
    left = HALVING_SECONDS
    for begin in range(0, count_rows(rows.plain), CHUNK):
        if time.monotonic() > deadline:
            break
        part = slice_rows(rows.plain, begin, begin + CHUNK)
        if not _ask(examination, baseline, part) and left > 0:
            started = time.monotonic()
            _ask_halves(examination, baseline, part, min(deadline, started + left))
            left -= time.monotonic() - started
    results = [q.answer.result for q in examination.questions if q.answer is not None]
    examination.spread = _spread(results)
    return examination


def judge_candidate(examination: Examination, candidate: Runtime) -> Judgement:
    """Compare a candidate with every answer."""
    outcome = Judgement()
    for question in examination.questions:
        try:
            answer = candidate(question.rows)
        except Refusal as refusal:
            if question.answer is not None:
                outcome.note_wrong(
                    f"it rejects input that scikit-learn accepts ({refusal}): {_shown(question.rows, 0)}"
                )
            continue
        except Exception as error:  # noqa: BLE001 - a runtime may raise anything
            outcome.note_wrong(f"it fails ({type(error).__name__}: {error}) on {_shown(question.rows, 0)}")
            continue
        if question.answer is None:
            outcome.note_wrong(f"it accepts input that scikit-learn rejects: {_shown(question.rows, 0)}")
            continue
        _compare(question, answer, examination, outcome)
        if outcome.verdict == "wrong":
            break
    return outcome


def seconds_for(runtime: Callable[[Any], object], rows: Any) -> float:
    """Measure one call: the best of several within a short time."""
    best, spent = float("inf"), 0.0
    while spent < TIMING_SECONDS or best == float("inf"):
        begin = time.perf_counter()
        runtime(rows)
        taken = time.perf_counter() - begin
        best, spent = min(best, taken), spent + taken
    return best


def _ask(examination: Examination, baseline: Runtime, rows: Any) -> bool:
    """Ask a question; return whether it was answered. A refused question of several rows is not kept."""
    count = count_rows(rows)
    try:
        answer = baseline(rows)
    except Refusal:
        if count > 1:
            return False
        examination.questions.append(Question(rows, None))
        examination.refused += 1
        examination.rows += 1
        return True
    except Exception:  # noqa: BLE001 - an estimator may raise anything; where it fails, no answer is the right one
        return count == 1
    examination.questions.append(Question(rows, answer))
    examination.rows += count
    return True


def _ask_halves(examination: Examination, baseline: Runtime, rows: Any, deadline: float) -> None:
    count = count_rows(rows)
    if count == 1 or time.monotonic() > deadline:
        return
    for begin, end in ((0, count // 2), (count // 2, count)):
        part = slice_rows(rows, begin, end)
        if not _ask(examination, baseline, part):
            _ask_halves(examination, baseline, part, deadline)


def _compare(question: Question, answer: Answer, examination: Examination, outcome: Judgement) -> None:
    expected = question.answer
    if expected is None:
        return
    if expected.probabilities is not None:
        wanted, found = _array(expected.probabilities), _array(answer.probabilities or [])
        _compare_numbers(question, wanted, found, np.full_like(wanted, PROBABILITY_TOLERANCE), outcome)
    wanted, found = _array(expected.result), _array(answer.result)
    if wanted.dtype.kind != "f":
        _compare_labels(question, wanted, found, examination.margin, outcome)
    elif wanted.shape != found.shape or found.dtype.kind not in "fi":
        outcome.note_wrong(
            f"it gives another shape or type: {found.dtype} {found.shape}, not {wanted.dtype} {wanted.shape}"
        )
    else:
        with np.errstate(all="ignore"):
            allowed = RELATIVE_TOLERANCE * np.abs(wanted) + SPREAD_TOLERANCE * examination.spread
        _compare_numbers(question, wanted, found, allowed, outcome)


def _compare_labels(
    question: Question, wanted: Array, found: Array, margin: Callable[[Any], Array] | None, outcome: Judgement
) -> None:
    if wanted.shape != found.shape or wanted.dtype.kind != found.dtype.kind:
        outcome.note_wrong(
            f"it gives another shape or type: {found.dtype} {found.shape}, not {wanted.dtype} {wanted.shape}"
        )
        return
    differing = np.flatnonzero((wanted != found).reshape(len(wanted), -1).any(axis=1))
    for row in differing.tolist():
        asked = slice_rows(question.rows, row, row + 1)
        if margin is None or wanted.ndim > 1 or not margin(asked)[0] <= TIE:
            outcome.note_wrong(
                f"{found[row].tolist()!r} instead of {wanted[row].tolist()!r} for {_shown(question.rows, row)}"
            )
            return
        outcome.ties += 1
        outcome.note_close(0.0)


def _compare_numbers(question: Question, wanted: Array, found: Array, allowed: Array, outcome: Judgement) -> None:
    if wanted.shape != found.shape:
        outcome.note_wrong(f"it gives another shape: {found.shape}, not {wanted.shape}")
        return
    if np.array_equal(wanted, found, equal_nan=True):
        return
    same = (wanted == found) | (np.isnan(wanted) & np.isnan(found))
    with np.errstate(all="ignore"):
        difference = np.where(same, 0.0, np.abs(wanted - found))
    difference = np.where(np.isnan(difference), np.inf, difference)
    row = int(np.unravel_index(np.argmax(difference - allowed), difference.shape)[0])
    if (difference > allowed).any():
        shown = f"{found[row].tolist()!r} instead of {wanted[row].tolist()!r} for {_shown(question.rows, row)}"
        outcome.note_wrong(shown)
        outcome.worst = max(outcome.worst, float(difference.max()))
    else:
        outcome.note_close(float(difference.max()))


def _array(result: Any) -> Array:
    try:
        return np.asarray(result)
    except ValueError:  # rows of different lengths
        return np.array([repr(row) for row in result])


def _spread(results: list[list[Any]]) -> float:
    """Measure the spread of the finite results."""
    values = [_array(result).ravel() for result in results]
    numbers = np.concatenate([value for value in values if value.dtype.kind in "fi"] or [np.zeros(1)])
    finite = numbers[np.isfinite(numbers)]
    if not len(finite):
        return 0.0
    low, high = np.percentile(finite, [20, 80])  # the most extreme rows would widen the tolerance for all
    return float(high - low)


def _shown(rows: Any, row: int) -> str:
    part = slice_rows(rows, row, row + 1)
    if isinstance(part, dict):
        return repr({name: cells.tolist()[0] for name, cells in part.items()})
    return repr(part[0] if isinstance(part, list) else part[0].tolist())
