"""Whether an estimator can have a threshold: it must have probabilities, and no threshold of its own."""

from __future__ import annotations

from typing import Any

from engine.models.estimators.estimator_parts import has_threshold, last_of
from engine.models.runtime.class_names import Wording
from engine.models.runtime.threshold import Decision, decision_of
from engine.spec import FileModel


def decision_for(model: FileModel, estimator: Any, wording: Wording, kind: str) -> Decision | None:
    """Make the decision for a model's threshold, None without one; raise `SpecError` if that is impossible."""
    if model.threshold is None:
        return None
    _require_undecided(model, estimator)
    decision = decision_of(model, wording, kind)
    _require_probabilities(model, estimator)
    return decision


def _require_undecided(model: FileModel, estimator: Any) -> None:
    """Raise `SpecError` for a classifier that has a threshold of its own."""
    last = last_of(estimator)
    if has_threshold(last):
        name = type(last).__name__
        raise model.error(
            f"the {name} in the file has a threshold of its own; remove this one, or save the classifier that the "
            f"{name} was made with",
            "threshold",
        )


def _require_probabilities(model: FileModel, estimator: Any) -> None:
    if not hasattr(estimator, "predict_proba"):
        message = f"{type(estimator).__name__} has no predict_proba, which a threshold needs"
        raise model.error(message, "threshold")
