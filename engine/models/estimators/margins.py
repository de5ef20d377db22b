"""The lead of a classifier's answer over the other classes: if it is tiny, rounding may change the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from engine.models.data.dtypes import as_taken
from engine.models.estimators.estimator_parts import has_threshold, last_of
from engine.models.estimators.inspection import Inspected, is_classifier


def margin_of(inspected: Inspected) -> Callable[[Any], Any] | None:
    """Compute the lead of scikit-learn's best class, from its probabilities or its decision function.

    None if the best class need not be the answer, because the estimator has a threshold of its own.
    """
    estimator, decision = inspected.estimator, inspected.decision
    respond = getattr(estimator, "predict_proba", None) or getattr(estimator, "decision_function", None)
    if respond is None or not is_classifier(estimator) or has_threshold(last_of(estimator)):
        return None

    def margin(rows: Any) -> Any:
        scores = np.asarray(respond(as_taken(rows)))
        if decision is not None:
            return np.abs(scores[:, decision.place] - decision.bar)
        if scores.ndim == 1 or scores.shape[1] == 1:
            return np.abs(scores.ravel())
        ordered = np.sort(scores, axis=1)
        return ordered[:, -1] - ordered[:, -2]

    return margin
