"""The choice between two classes at a threshold: the positive class, if its probability is high enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.errors import SpecError
from engine.models.data.array import Array
from engine.models.runtime import steps as s
from engine.models.runtime.class_names import Wording
from engine.schema import show
from engine.spec import Model
from engine.text import did_you_mean

TWO = 2


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """Chooses between two `classes`: the one at `place` if its probability is at least `bar`.

    The probability is compared in its own dtype, since `bar` is a Python float.
    """

    classes: Array
    place: int
    bar: float

    def __call__(self, probabilities: Any) -> Array:
        """Choose a class for each row of an estimator's probabilities."""
        chances = np.asarray(probabilities)[:, self.place]
        return self.classes[np.where(chances >= self.bar, self.place, 1 - self.place)]

    @property
    def steps(self) -> tuple[s.Step, ...]:
        """The same choice as steps of a program."""
        ordered = self.classes if self.place else self.classes[::-1]
        return (s.Select(np.array([self.place])), s.Choose(ordered, inclusive=True, bar=self.bar))


def decision_of(model: Model, wording: Wording, kind: str) -> Decision | None:
    """Make the decision for a model's threshold, None without one; raise `SpecError` if that is impossible."""
    if model.threshold is None:
        return None
    classes = wording.classes
    if classes is None or len(classes) != TWO:
        raise model.error(
            f"a threshold needs a classifier of two classes; the model {_has(classes, kind)}", "threshold"
        )
    return Decision(np.array(classes), _place(model, wording), model.threshold.at_least)


def named_threshold(model: Model, wording: Wording) -> Mapping[str, float]:
    """Map the positive class, as it is called in answers, to its threshold; empty without one."""
    if model.threshold is None:
        return {}
    return {wording.keys[_place(model, wording)]: model.threshold.at_least}


def _place(model: Model, wording: Wording) -> int:
    """Find the positive class: the one that is named, else the second."""
    named = model.threshold.positive if model.threshold is not None else None
    if named is None:
        return 1
    if named not in wording.keys:
        known = did_you_mean(named, wording.keys, "its classes are")
        mistake = model.node["threshold"].key(named).error(f"{show(named)} is not a class of the model {known}")
        raise SpecError([mistake])
    return wording.keys.index(named)


def _has(classes: tuple[Any, ...] | None, kind: str) -> str:
    if classes is not None:
        return f"has {len(classes)} ({', '.join(map(show, classes))})"
    return "predicts several outputs" if kind == "classifier" else f"is a {kind}"
