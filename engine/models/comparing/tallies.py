"""The answers of two models to the same rows: which of them differ, and by how much."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from engine.errors import RefusedInstance
from engine.models.predictor import Facts, Prediction, Predictor
from engine.schema import clip

CHUNK = 200
SECONDS = 10.0
REASON_LENGTH = 200

Answer = Mapping[str, Any]
"""A client's answer for one instance: `result`, `labels`, `probabilities`; or the reason of a refusal, in `refused`."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An instance and its source: the line of the reference, or the number of the example."""

    instance: Any
    place: int | None = None


@dataclass(frozen=True, slots=True)
class Differing:
    """A row with different answers; `difference` is the largest of its numbers', None if only other values differ."""

    source: str
    place: int | None
    input: Any
    current: Answer
    new: Answer
    has_other_result: bool
    difference: float | None


@dataclass(frozen=True, slots=True)
class Differences:
    """The differences for the rows of one source.

    `refused` is the number of rows that both models refuse, and `answered` an instance that both answer.
    """

    source: str
    asked: int
    refused: int
    differing: Sequence[Differing]
    answered: Any = None

    @property
    def other_results(self) -> int:
        """The number of rows with another result, and not just other probabilities."""
        return sum(row.has_other_result for row in self.differing)

    @property
    def largest(self) -> float | None:
        """The largest difference of two numbers, None if no numbers differ."""
        return max((row.difference for row in self.differing if row.difference is not None), default=None)


def compare_answers(
    source: str, rows: Iterable[Asked], current: Predictor, new: Predictor, tolerance: float
) -> Differences:
    """Ask both models the rows of a source, as many as the budget of time allows."""
    numbers = _are_numbers(current.facts), _are_numbers(new.facts)
    deadline = time.monotonic() + SECONDS
    asked, refused, answered = 0, 0, None
    differing: list[Differing] = []
    for chunk in _chunks(rows):
        instances = [row.instance for row in chunk]
        asked += len(chunk)
        for row, one, other in zip(chunk, ask_model(current, instances), ask_model(new, instances), strict=True):
            found = _differing(source, row, one, other, tolerance, are_numbers=all(numbers))
            differing += [found] if found is not None else []
            refused += "refused" in one and "refused" in other
            if answered is None and "refused" not in one and "refused" not in other:
                answered = row.instance
        if time.monotonic() > deadline:
            break
    return Differences(source, asked, refused, differing, answered)


def _chunks(rows: Iterable[Asked]) -> Iterator[list[Asked]]:
    left = iter(rows)
    while chunk := list(islice(left, CHUNK)):
        yield chunk


def ask_model(predict: Predictor, instances: Sequence[Any]) -> list[Answer]:
    """Ask for instances together or, if one of them gets no answer, one by one."""
    try:
        return list(_answers(predict(instances)))
    except MemoryError:
        raise
    except RefusedInstance as refused:
        alone: Answer = {"refused": refused.reason}
    except Exception as error:  # noqa: BLE001 - an estimator may raise anything
        alone = {"refused": clip(f"{type(error).__name__}: {error}", REASON_LENGTH)}
    return [alone] if len(instances) == 1 else [answer for one in instances for answer in ask_model(predict, [one])]


def _answers(prediction: Prediction) -> Iterator[Answer]:
    for place, result in enumerate(prediction.result):
        answer = {"result": _finite(result)}
        if prediction.labels is not None:
            answer["labels"] = prediction.labels[place]
        if prediction.probabilities is not None:
            answer["probabilities"] = _finite(prediction.probabilities[place])
        yield answer


def _finite(value: Any) -> Any:
    """Replace numbers that JSON does not have by null, as in an answer's body."""
    if isinstance(value, list):
        return list(map(_finite, value))
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _are_numbers(facts: Facts) -> bool:
    """Return whether results are quantities, and not the classes of a classifier."""
    return not facts.answers_classes


def _differing(
    source: str, row: Asked, one: Answer, other: Answer, tolerance: float, *, are_numbers: bool
) -> Differing | None:
    if "refused" in one or "refused" in other:
        is_same = "refused" in one and "refused" in other
        return None if is_same else Differing(source, row.place, row.instance, one, other, True, None)
    within = _Within(tolerance, is_share=True) if are_numbers else None
    by_result = _difference(one["result"], other["result"], within)
    by_label = _difference(one.get("labels"), other.get("labels"), None)
    by_chance = _difference(one.get("probabilities"), other.get("probabilities"), _Within(tolerance, is_share=False))
    found = [difference for difference in (by_result, by_label, by_chance) if difference is not None]
    if not found:
        return None
    has_other_result = by_result is not None or by_label is not None
    return Differing(source, row.place, row.instance, one, other, has_other_result, _largest(found))


@dataclass(frozen=True, slots=True)
class _Within:
    """How far apart two numbers may be to be the same: by the tolerance, or by that share of the larger one."""

    tolerance: float
    is_share: bool

    def holds(self, one: float, other: float) -> bool:
        size = max(abs(one), abs(other)) if self.is_share else 1.0
        return abs(one - other) <= self.tolerance * size


def _difference(one: Any, other: Any, within: _Within | None) -> float | None:
    """Return the largest difference of two numbers at one place: NaN if other values differ, None if nothing does.

    Without `within`, numbers are names of classes.
    """
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return _difference([*one.values()], [other[key] for key in one], within)
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = zip(one, other, strict=True)
        found = [inner for pair in pairs if (inner := _difference(*pair, within)) is not None]
        return (_largest(found) or math.nan) if found else None
    if within is not None and _is_number(one) and _is_number(other):
        return None if within.holds(one, other) else float(abs(one - other))
    return None if one == other and type(one) is type(other) else math.nan


def _largest(differences: Iterable[float]) -> float | None:
    """Return the largest number, ignoring NaN; None if there is none."""
    return max((value for value in differences if not math.isnan(value)), default=None)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
