"""InterpretML's explainable boosting machines → a walk of one tree for each of their terms, and their link.

A term is a table of scores by the bins of one feature, or of several. Its tree finds the bins, and its leaves are the
scores, so that the sum of a row's leaves is the model's own sum, in its order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from engine.models.data.array import Array
from engine.models.lowering.result import Lower, Lowered, NotLowered, Steps
from engine.models.lowering.tree_models import known_classes
from engine.models.lowering.trees.bins import Bins, bins_tree
from engine.models.lowering.trees.tree import Tree, make_table, stump
from engine.models.runtime import steps as s

_EXP = "vectorclass"
MOST_SCORES = 2_000_000  # of all terms

_LARGEST = 10**15  # a larger integer is not written like the same float


def _classifier(model: Any, lower: Lower) -> Lowered:
    scores, predict = _scores(model, lower), (s.Choose(known_classes(model)),)
    if model.link_ == "logit":
        chances: Steps = (s.Ravel(), s.Odds(_EXP), s.Stack())
        return Lowered(scores, {"predict": predict, "decision_function": (s.Ravel(),), "predict_proba": chances})
    links: Mapping[str, Steps] = {"mlogit": (s.SoftMaximum(_EXP),), "vlogit": (s.Odds(_EXP),)}
    if model.link_ not in links:
        raise NotLowered(f"{type(model).__name__} with the link {model.link_}")
    return Lowered(scores, {"predict": predict, "decision_function": (), "predict_proba": links[model.link_]})


def _regressor(model: Any, lower: Lower) -> Lowered:
    links: Mapping[str, Steps] = {"identity": (), "log": (s.Exponential(_EXP),)}
    if model.link_ not in links:
        raise NotLowered(f"{type(model).__name__} with the link {model.link_}")
    return Lowered(_scores(model, lower), {"predict": (s.Ravel(), *links[model.link_])})


def _scores(model: Any, lower: Lower) -> Steps:
    """Return the steps from rows to the sums of the terms; columns that no term uses are left out."""
    if sum(np.size(scores) for scores in model.term_scores_) > MOST_SCORES:
        raise NotLowered(f"{type(model).__name__} with more than {MOST_SCORES:,} scores")
    used = sorted({feature for term in model.term_features_ for feature in term})
    coded = [feature for feature in used if model.feature_types_in_[feature] != "continuous"]
    others = [feature for feature in used if feature not in coded]
    if not used:
        raise NotLowered(f"{type(model).__name__} without terms")
    places = {feature: place for place, feature in enumerate((*coded, *others))}
    encoders = {feature: _Encoder(model.bins_[feature]) for feature in coded}
    table = make_table(_trees(model, places, encoders), len(used))
    if len(others) == len(model.feature_types_in_):
        return (s.Cast(), lower.trees(table))
    branches: list[Steps] = []
    if coded:
        known, codes = zip(*(encoders[feature].step for feature in coded), strict=True)
        branches.append((s.Select(np.array(coded), apart=True), s.Ordinal(known, codes, refuse=False)))
    if others:
        branches.append((s.Select(np.array(others)), s.Cast()))
    return (s.Concatenate(tuple(branches)), lower.trees(table))


def _trees(model: Any, places: Mapping[int, int], encoders: Mapping[int, _Encoder]) -> Iterator[Tree]:
    """Yield a leaf with the intercept, then a tree for each term."""
    intercept = np.ravel(model.intercept_)
    yield stump(intercept)
    for features, scores in zip(model.term_features_, model.term_scores_, strict=True):
        axes = [
            encoders[feature].bins(places[feature], len(features), count)
            if feature in encoders
            else _ranges(_level(model.bins_[feature], len(features)), places[feature])
            for feature, count in zip(features, scores.shape, strict=False)
        ]
        if [axis.count for axis in axes] != list(scores.shape[: len(axes)]):
            raise NotLowered(f"{type(model).__name__} with other scores than its bins")
        yield bins_tree(axes, scores.reshape(*scores.shape[: len(axes)], len(intercept)))


def _level(levels: Sequence[Any], features: int) -> Any:
    """Return the bins of a feature in a term of so many features: those of the last level, if that has no own ones."""
    return levels[min(len(levels), features) - 1]


def _ranges(cuts: Array, place: int) -> Bins:
    """Return the bins of a continuous feature: the first place is that of missing values, the last is not used."""
    count = len(cuts) + 1
    return Bins(place, np.nextafter(cuts, -np.inf), np.arange(1, count + 1), missing=0, count=count + 2)


class _Encoder:
    """Gives each category of a feature a code; 0 is a missing value, and the last code is every other value."""

    def __init__(self, levels: Sequence[Mapping[str, int]]) -> None:
        self._levels = levels
        self._words = list(dict.fromkeys(word for level in levels for word in level))

    def bins(self, place: int, features: int, count: int) -> Bins:
        """Return the bins of the codes in a term of so many features, whose table is `count` long."""
        level = _level(self._levels, features)
        found = [0, *(level.get(word, count - 1) for word in self._words), count - 1]
        return Bins(place, np.arange(len(found) - 1.0), np.array(found), missing=None, count=count)

    @property
    def step(self) -> tuple[Array, Array]:
        """Return the known values, and their codes: a word may also be a number, as it is written."""
        values: list[Any] = []
        codes: list[float] = []
        for code, word in enumerate(self._words, 1):
            meant = [word, *_number_of(word)]
            values += meant
            codes += [float(code)] * len(meant)
        known = np.empty(len(values) + 2, object)
        known[:] = [*values, None, np.nan]
        return known, np.array([*codes, 0.0, 0.0, len(self._words) + 1.0])


def _number_of(word: str) -> list[float]:
    """Return the number that is written so, if there is one: whole numbers have no fraction."""
    try:
        number = float(word)
    except ValueError:
        return []
    written = str(int(number)) if abs(number) < _LARGEST and number.is_integer() else str(number)
    return [number] if written == word and abs(number) < _LARGEST else []


ADDITIVE: Mapping[str, Callable[[Any, Lower], Lowered]] = {
    f"interpret.glassbox._ebm._ebm.{name}": lower
    for name, lower in (
        ("ExplainableBoostingClassifier", _classifier),
        ("ExplainableBoostingRegressor", _regressor),
        ("DPExplainableBoostingClassifier", _classifier),
        ("DPExplainableBoostingRegressor", _regressor),
    )
}
