"""A module of a model's own, which MLflow puts into the model's folder: see make.py."""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator, TransformerMixin


class Ratio(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Divides the first column by the second."""

    def fit(self, rows: Any, target: Any = None) -> Ratio:  # noqa: ARG002 - the shape of scikit-learn's own
        self.n_features_in_ = 2
        return self

    def transform(self, rows: Any) -> Any:
        return [[row[0] / row[1]] for row in getattr(rows, "to_numpy", lambda: rows)()]
