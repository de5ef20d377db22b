"""Estimators → programs: one explicit table of scikit-learn's classes, each turned into its own operations.

A class that is not in the table, or an option that is not covered, raises `NotLowered` with the reason. A lowered
estimator is still only a candidate: the proof decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import takewhile
from typing import Any

import numpy as np

from engine.models.data.array import Array
from engine.models.lowering.boosters.additive_models import ADDITIVE
from engine.models.lowering.boosters.catboost_models import CATBOOST
from engine.models.lowering.boosters.lightgbm_models import LIGHTGBM
from engine.models.lowering.boosters.xgboost_models import XGBOOST
from engine.models.lowering.calibration import CALIBRATED
from engine.models.lowering.ensembles import ENSEMBLES
from engine.models.lowering.frames.columns import join_columns
from engine.models.lowering.kernels import KERNEL_MACHINES
from engine.models.lowering.linear import GENERALIZED, LINEAR
from engine.models.lowering.mixtures import MIXTURES
from engine.models.lowering.preprocessing.transformers import lower_transformer, select_columns, split_pipeline
from engine.models.lowering.result import Lower, Lowered, NotLowered, Steps
from engine.models.lowering.tree_models import TREE_MODELS
from engine.models.runtime import steps as s
from engine.models.runtime.program import Program
from engine.models.runtime.threshold import Decision
from engine.models.runtime.tree_table import TreeTable

Trees = Callable[[TreeTable], s.Step]


def lower_estimator(
    estimator: Any,
    response_method: str,
    trees: Trees,
    *,
    probabilities: bool,
    columns: int | None = None,
    decision: Decision | None = None,
) -> Program:
    """Make the program of a fitted estimator; `trees` makes the step that walks a tree ensemble.

    Rows are arrays, or tables of that many `columns`. With a `decision`, that chooses the class from the probabilities
    in place of the estimator.
    """
    if decision is None:
        program = _lower(estimator, response_method, trees, probabilities=probabilities)
    else:
        program = _lower(estimator, "predict_proba", trees, probabilities=probabilities)
        program = replace(program, result=(*program.result, *decision.steps))
    scores = program.scores if columns is None else _of_table(program.scores, np.arange(columns))
    return replace(program, scores=join_columns(scores))


def _of_table(steps: Steps, every: Array) -> Steps:
    """Make the first steps select columns of a table, all of them if they select none themselves."""
    first = next(iter(steps), None)
    if isinstance(first, s.Apart | s.Select):
        return steps
    if isinstance(first, s.WholeAsSingle):  # integers in a table are rounded to float64, if at all
        return select_columns(every, (s.Cast(), *steps[1:]))
    if isinstance(first, s.Concatenate):
        return (s.Concatenate(tuple(_of_table(branch, every) for branch in first.branches)), *steps[1:])
    return select_columns(every, steps)


def _lower(estimator: Any, response_method: str, trees: Trees, *, probabilities: bool) -> Program:
    before, last = split_pipeline(estimator)
    if response_method == "transform":
        return Program((*before, *lower_transformer(last)), ())
    lowered = _Lowering(trees).last(last)
    for method in [response_method] + ["predict_proba"] * probabilities:
        if method not in lowered.methods:
            raise NotLowered(f"{type(last).__name__}.{method}")
    result = lowered.methods[response_method]
    if not probabilities:
        return Program((*before, *lowered.scores), result)
    chances = lowered.methods["predict_proba"]
    pairs = zip(result, chances, strict=False)
    both = len([*takewhile(lambda pair: pair[0] is pair[1], pairs)])  # these are computed once
    return Program((*before, *lowered.scores, *result[:both]), result[both:], chances[both:])


class _Lowering:
    """Lowers predictors with one kind of trees."""

    def __init__(self, trees: Trees) -> None:
        self.trees = trees

    def __call__(self, estimator: Any) -> Lowered:
        """Lower a predictor, or a pipeline that ends in one."""
        before, last = split_pipeline(estimator)
        lowered = self.last(last)
        return Lowered((*before, *lowered.scores), lowered.methods)

    def last(self, estimator: Any) -> Lowered:
        """Lower the last step of a pipeline."""
        of_its_base = (lowered for is_one, lowered in LINEAR if is_one(estimator))
        kind = type(estimator)
        of_a_booster = _BOOSTERS.get(f"{kind.__module__}.{kind.__qualname__}")
        lowered = _PREDICTORS.get(kind) or of_a_booster or next(of_its_base, None)
        if lowered is None:
            raise NotLowered(type(estimator).__name__)
        return lowered(estimator, self)


_PREDICTORS: Mapping[type, Callable[[Any, Lower], Lowered]] = {
    **TREE_MODELS,
    **ENSEMBLES,
    **KERNEL_MACHINES,
    **CALIBRATED,
    **MIXTURES,
    **GENERALIZED,
}
# By the names of their classes, since their libraries need not be installed.
_BOOSTERS: Mapping[str, Callable[[Any, Lower], Lowered]] = {**ADDITIVE, **CATBOOST, **LIGHTGBM, **XGBOOST}
