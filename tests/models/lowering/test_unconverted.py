"""Why skl2onnx makes no graph of a model, in words for those who serve it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from modelling import X, y
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from engine.models.lowering.skl2onnx_graph import NotConverted, estimator_program


class Own(ClassifierMixin, BaseEstimator):
    """A classifier that no converter knows."""

    def fit(self, rows: np.ndarray, target: np.ndarray) -> Own:
        self.classes_, self.n_features_in_ = np.unique(target), rows.shape[1]
        return self


def test_columns_by_name() -> None:
    frame = pd.DataFrame(X, columns=list("abcd"))
    model = make_pipeline(make_column_transformer((StandardScaler(), ["a", "b"])), LogisticRegression()).fit(frame, y)
    with pytest.raises(NotConverted, match=r"^the model selects its columns by name, and a graph gets one array$"):
        estimator_program(model, "predict", "float64", (), probabilities=False)


def test_a_part_that_has_no_converter_is_named() -> None:
    with pytest.raises(NotConverted, match=r"^skl2onnx cannot convert Own$"):
        estimator_program(Own().fit(X, y), "predict", "float64", (), probabilities=False)


def test_a_method_without_a_graph_is_named() -> None:
    model = StandardScaler().fit(X)
    with pytest.raises(NotConverted, match=r"^skl2onnx has no graph for StandardScaler\.score_samples$"):
        estimator_program(model, "score_samples", "float64", (), probabilities=False)
