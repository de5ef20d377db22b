"""The kind of an estimator, also of objects that only look like one: scikit-learn's own questions raise for these."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sklearn import base


def _answered(ask: Callable[[Any], bool], kind: str) -> Callable[[Any], bool]:
    def is_kind(estimator: Any) -> bool:
        try:
            return bool(ask(estimator))
        except (AttributeError, TypeError):  # it has no tags
            return bool(getattr(estimator, "_estimator_type", None) == kind)

    return is_kind


is_classifier = _answered(base.is_classifier, "classifier")
is_regressor = _answered(base.is_regressor, "regressor")
is_clusterer = _answered(base.is_clusterer, "clusterer")
is_outlier_detector = _answered(base.is_outlier_detector, "outlier_detector")

_KINDS: Mapping[str, Callable[[Any], bool]] = {
    "classifier": is_classifier,
    "regressor": is_regressor,
    "clusterer": is_clusterer,
    "outlier detector": is_outlier_detector,
}


def kind_of(estimator: Any) -> str:
    """Name the kind of an estimator."""
    return next((kind for kind, is_kind in _KINDS.items() if is_kind(estimator)), "transformer")
