"""Calibrated classifiers → their members' scores, turned into probabilities by curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV

from engine.models.estimators.estimator_parts import unfreeze
from engine.models.lowering.result import Lower, Lowered, NotLowered, Steps
from engine.models.lowering.tree_models import known_classes
from engine.models.runtime import steps as s


def _calibrated(model: Any, lower: Lower) -> Lowered:
    members = tuple(_member(member, lower) for member in model.calibrated_classifiers_)
    average: Steps = (s.Concatenate(members), s.Average(len(members), None))
    scores = average if len(members) > 1 else members[0]
    return Lowered(scores, {"predict": (s.Choose(known_classes(model)),), "predict_proba": ()})


def _member(member: Any, lower: Lower) -> Steps:
    """Return the steps from rows to the probabilities of a classifier and its curves: one per class, or one for two."""
    classifier = unfreeze(member.estimator)
    if len(classifier.classes_) != len(member.classes):
        raise NotLowered("CalibratedClassifierCV with a member that does not know every class")
    lowered, is_binary = lower(classifier), len(member.classes) == 2  # noqa: PLR2004
    method = "decision_function" if hasattr(classifier, "decision_function") else "predict_proba"
    scores = lowered.column(method) if is_binary else lowered.way(method)
    return (*scores, *_curves(member), s.Stack() if is_binary else s.Shares())


def _curves(member: Any) -> Steps:
    curves = member.calibrators
    if member.method == "sigmoid":
        slopes, offsets = (np.array([-getattr(curve, name) for curve in curves]) for name in ("a_", "b_"))
        return (s.Arithmetic("multiply", slopes), s.Arithmetic("add", offsets), s.Sigmoid())
    if member.method != "isotonic" or any(curve.X_thresholds_.dtype != np.float64 for curve in curves):
        raise NotLowered(f"CalibratedClassifierCV with method {member.method}, or fitted on float32")
    places, values = (tuple(getattr(curve, name) for curve in curves) for name in ("X_thresholds_", "y_thresholds_"))
    return (s.Check(), s.Interpolate(places, values))


CALIBRATED: Mapping[type, Callable[[Any, Lower], Lowered]] = {CalibratedClassifierCV: _calibrated}
