"""The weighted mean of probabilities, or of numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import numpy as np

from engine.models.composing.composed import (
    Composed,
    Parts,
    class_order,
    require_probabilities,
    require_same_form,
    worded,
)
from engine.models.composing.part import Part, ask_each, join_refusals, not_finite
from engine.models.data.array import Array
from engine.models.predictor import Facts, ResultForm
from engine.models.runtime.answer import Answer, Runtime
from engine.models.runtime.class_names import Wording
from engine.models.runtime.threshold import Decision, decision_of, named_threshold
from engine.spec import Average, Composition

_PATH = ("average",)


def compose_average(model: Composition, parts: Parts) -> Composed:
    """Make the average; raise `SpecError` for parts that cannot be averaged."""
    average = cast("Average", model)
    asked, weights = [*parts.values()], [average.weights[name] for name in parts]
    wording = worded(average, asked, _PATH)
    result = require_same_form(average, asked, _PATH)
    title = f"average of {', '.join(f'{name} ({weight:g})' for name, weight in average.weights.items())}"
    for part in asked:
        if wording.classes is not None:
            require_probabilities(average, part, (*_PATH, part.name), "an average")
        elif not _answers_number(part.facts):
            message = f'"{part.name}" does not return a single number, so it has no average'
            raise average.error(message, *_PATH, part.name)
    decision = decision_of(average, wording, asked[0].facts.kind)
    if wording.classes is None:
        runtime = _of_numbers(asked, weights)
        return Composed(runtime, wording, "regressor", ResultForm((), "number"), title)
    runtime = _of_probabilities(asked, weights, wording, decision, shows_all=average.output.probabilities)
    return Composed(runtime, wording, "classifier", result, title, named_threshold(average, wording))


def _answers_number(facts: Facts) -> bool:
    """Return whether the results are quantities: a cluster's number is none."""
    is_number = facts.result is not None and not facts.result.lengths and facts.result.type in ("integer", "number")
    is_named = facts.kind in ("clusterer", "outlier detector") and facts.response_method == "predict"
    return is_number and not is_named


def _of_numbers(parts: Sequence[Part], weights: Sequence[float]) -> Runtime:
    mean = _weighted_mean(parts, np.array(weights)[:, None])

    def answer(instances: Any) -> Answer:
        answers = ask_each(partial(part.ask, instances) for part in parts)
        return Answer(mean(np.array([one.result for one in answers], np.float64)).tolist())

    return answer


def _of_probabilities(
    parts: Sequence[Part], weights: Sequence[float], wording: Wording, decision: Decision | None, *, shows_all: bool
) -> Runtime:
    mean = _weighted_mean(parts, np.array(weights)[:, None, None])
    orders = [class_order(wording, part) for part in parts]
    sorted_ = [order == [*range(len(order))] for order in orders]
    classes = wording.classes or ()

    def answer(instances: Any) -> Answer:
        answers = ask_each(partial(part.ask, instances) for part in parts)
        chances = np.array([one.probabilities for one in answers], np.float64)
        for place, order in enumerate(orders):
            if not sorted_[place]:
                chances[place] = chances[place][:, order]
        means = mean(chances)
        if decision is None:
            result = [classes[place] for place in means.argmax(axis=1).tolist()]
        else:
            result = decision(means).tolist()
        return Answer(result, means.tolist() if shows_all else None)

    return answer


def _weighted_mean(parts: Sequence[Part], weights: Array) -> Callable[[Array], Array]:
    """Return a function that computes what `np.average` does, of finite numbers with a row for each part."""
    total = weights.sum()

    def mean(values: Array) -> Array:
        with np.errstate(over="ignore", invalid="ignore"):
            means: Array = (values * weights).sum(axis=0) / total
        if not np.isfinite(means).all():
            _require_finite(values, parts)
        return means

    return mean


def _require_finite(values: Array, parts: Sequence[Part]) -> None:
    """Raise `RefusedInstance` for answers that are not finite numbers, which would spoil the mean."""
    odd = np.argwhere(~np.isfinite(values)).tolist()
    if odd:
        raise join_refusals([not_finite(parts[place].name, row) for place, row, *_ in odd])
