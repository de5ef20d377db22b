"""What the rest of the engine knows of a model: that it can be asked, and what is to be said about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Facts:
    """What `check` and the start-up lines say about a model.

    `estimator` names the class, a pipeline's steps in brackets; `features` are the columns' names, or their
    number where they have none; `trained_with` is the version of scikit-learn that saved the model.
    """

    name: str
    file: str
    bytes: int
    estimator: str
    kind: str
    response_method: str
    features: tuple[str, ...] | int | None
    classes: tuple[Any, ...] | None
    trained_with: str
    runtime: str
    examples: int


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for some instances: each list has one entry for each of them, in their order."""

    result: list[Any]
    labels: list[str] | None = None
    probabilities: list[dict[str, float]] | None = None


class Predictor(Protocol):
    """A model ready to answer; calls from several threads at once are fine."""

    @property
    def facts(self) -> Facts:
        """What there is to say about the model."""

    def __call__(self, instances: Sequence[Any]) -> Prediction:
        """Predict for instances that are valid by the model's schema, at least one.

        Raises `RefusedInstance` for one that the estimator does not take all the same.
        """
