"""Ensembles of estimators and kernel machines are compiled, and answer what scikit-learn answers."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from modelling import SPECIES, Serve, X, y
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import make_scorer, recall_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, RegressorChain
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, KBinsDiscretizer, SplineTransformer, StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC, NuSVC, OneClassSVM
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

random = np.random.default_rng(0)
ROWS = np.vstack([X, np.abs(X + random.normal(scale=2, size=X.shape))])
LOGISTIC = make_pipeline(StandardScaler(), LogisticRegression())
FOREST = RandomForestClassifier(5, random_state=0)
TWO = [("logistic", LOGISTIC), ("forest", FOREST)]
LINES = [("line", LinearRegression()), ("forest", RandomForestRegressor(5, random_state=0))]
BINARY, SEVERAL = y == 1, np.c_[y, y == 1].astype(int)
LENGTH = X @ [1.0, 2.0, 0.5, 3.0] + np.sin(X[:, 0])

MODELS: dict[str, tuple[Any, Any]] = {
    "AdaBoost, 2 classes": (AdaBoostClassifier(n_estimators=9), SPECIES[BINARY.astype(int)]),
    "AdaBoost, 3 classes": (AdaBoostClassifier(DecisionTreeClassifier(max_depth=2), n_estimators=9), SPECIES[y]),
    "AdaBoost, regression": (AdaBoostRegressor(n_estimators=12, random_state=0), LENGTH),
    "bagged trees": (BaggingClassifier(random_state=0), SPECIES[y]),
    "bagged trees, 2 columns each": (BaggingClassifier(max_features=2, random_state=0), y),
    "bagged linear models": (BaggingClassifier(LOGISTIC, random_state=0), y),
    "bagging, regression": (BaggingRegressor(max_features=3, random_state=0), LENGTH),
    "bagged lines": (BaggingRegressor(Ridge(), random_state=0), LENGTH),
    "chain of classifiers": (ClassifierChain(LOGISTIC, order=[1, 0]), SEVERAL),
    "chain of regressions": (RegressorChain(LinearRegression(), order=[1, 0]), np.c_[LENGTH, X[:, 0]]),
    "classifier for each output": (MultiOutputClassifier(FOREST), SEVERAL),
    "forest with several outputs": (FOREST, SEVERAL),
    "forest with several classes each": (DecisionTreeClassifier(random_state=0), np.c_[y, 2 - y]),
    "one against the rest": (OneVsRestClassifier(LogisticRegression()), SPECIES[y]),
    "one against the rest, trees": (OneVsRestClassifier(FOREST), SPECIES[y]),
    "stack": (StackingClassifier(TWO, cv=3), SPECIES[y]),
    "stack, 2 classes": (StackingClassifier(TWO, cv=3), SPECIES[BINARY.astype(int)]),
    "stack with the columns": (StackingClassifier(TWO, FOREST, cv=3, passthrough=True), SPECIES[y]),
    "stack of regressions": (StackingRegressor(LINES, cv=3), LENGTH),
    "threshold": (FixedThresholdClassifier(LogisticRegression(), threshold=0.3), BINARY),
    "threshold of the first class": (
        FixedThresholdClassifier(FOREST, threshold=0.4, pos_label="setosa"),
        SPECIES[BINARY.astype(int)],
    ),
    "threshold of a score": (
        FixedThresholdClassifier(LOGISTIC, threshold=0.5, pos_label="setosa", response_method="decision_function"),
        SPECIES[BINARY.astype(int)],
    ),
    "threshold of what is frozen": (
        FixedThresholdClassifier(FrozenEstimator(clone(LOGISTIC).fit(X, BINARY)), threshold=0.3),
        BINARY,
    ),
    "threshold in a pipeline": (
        make_pipeline(StandardScaler(), FixedThresholdClassifier(make_pipeline(PCA(2), FOREST), threshold=0.4)),
        BINARY,
    ),
    "tuned threshold": (TunedThresholdClassifierCV(LOGISTIC, cv=3), SPECIES[BINARY.astype(int)]),
    "tuned threshold, F1": (TunedThresholdClassifierCV(FOREST, scoring="f1", cv=3, random_state=0), BINARY),
    "tuned threshold of the first class": (
        TunedThresholdClassifierCV(LOGISTIC, scoring=make_scorer(recall_score, pos_label="setosa"), cv=3),
        SPECIES[BINARY.astype(int)],
    ),
    "vote": (VotingClassifier(TWO), SPECIES[y]),
    "vote, soft": (VotingClassifier(TWO, voting="soft"), SPECIES[y]),
    "vote, weighted": (VotingClassifier(TWO, weights=[1, 2]), SPECIES[y]),
    "vote on numbers": (VotingRegressor(LINES, weights=[1, 3]), LENGTH),
    "logarithm of the target": (TransformedTargetRegressor(Ridge(), func=np.log1p, inverse_func=np.expm1), LENGTH),
    "scaled target": (TransformedTargetRegressor(DecisionTreeRegressor(), transformer=StandardScaler()), LENGTH),
    "SVM": (SVC(), SPECIES[y]),
    "SVM, 2 classes": (SVC(C=10), SPECIES[BINARY.astype(int)]),
    "SVM, linear": (SVC(kernel="linear"), y),
    "SVM, nu": (NuSVC(nu=0.2), y),
    "SVM behind a scaler": (make_pipeline(StandardScaler(), SVC(kernel="sigmoid")), y),
    "SVM, regression": (SVR(), LENGTH),
    "SVM, one class": (OneClassSVM(nu=0.1), y),
    "kernel ridge": (KernelRidge(kernel="rbf"), LENGTH),
    "calibrated, 2 classes": (CalibratedClassifierCV(LinearSVC(), cv=2), SPECIES[BINARY.astype(int)]),
    "calibrated, 3 classes": (CalibratedClassifierCV(FOREST, method="isotonic", cv=3), SPECIES[y]),
    "calibrated, a pipeline": (CalibratedClassifierCV(LOGISTIC, method="isotonic", ensemble=False), BINARY),
    "bins": (make_pipeline(KBinsDiscretizer(5, quantile_method="linear"), LogisticRegression()), SPECIES[y]),
    "bins in order": (make_pipeline(KBinsDiscretizer(4, encode="ordinal", strategy="uniform"), FOREST), y),
    "logarithms": (make_pipeline(FunctionTransformer(np.log1p), LinearRegression()), LENGTH),
    "mixture": (GaussianMixture(3, random_state=0), y),
    "mixture, one shape": (GaussianMixture(3, covariance_type="tied", random_state=0), y),
    "mixture along the axes": (GaussianMixture(3, covariance_type="diag", random_state=0), y),
    "splines": (make_pipeline(SplineTransformer(), Ridge()), LENGTH),
    "splines that go on": (make_pipeline(SplineTransformer(degree=2, extrapolation="continue"), Ridge()), LENGTH),
    "splines on lines": (make_pipeline(SplineTransformer(extrapolation="linear"), Ridge()), LENGTH),
    "splines in circles": (
        make_pipeline(SplineTransformer(4, extrapolation="periodic", include_bias=False), Ridge()),
        LENGTH,
    ),
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", MODELS)
def test_a_model_made_of_others_is_compiled_and_right(name: str, serve: Serve) -> None:
    estimator, target = MODELS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator.fit(X, target)
        predictor = serve(estimator)
        expected, actual = estimator.predict(ROWS), np.asarray(predictor(ROWS.tolist()).result)
    if np.asarray(expected).dtype.kind == "f":
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6 * np.ptp(expected))
    else:
        assert expected.tolist() == actual.tolist()
    assert predictor.facts.report.runtime != "sklearn", predictor.facts.report.trials


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("name", "method"),
    [
        *(("AdaBoost, 2 classes", method) for method in ("decision_function", "predict_proba")),
        *(("AdaBoost, 3 classes", method) for method in ("decision_function", "predict_proba")),
        *((name, "predict_proba") for name in ("bagged trees", "bagged linear models", "stack", "vote, soft")),
        ("one against the rest", "decision_function"),
        *((name, "decision_function") for name in ("SVM", "SVM, 2 classes", "SVM, one class")),
        *((name, "predict_proba") for name in ("calibrated, 2 classes", "calibrated, 3 classes", "mixture")),
        ("mixture", "score_samples"),
    ],
)
def test_their_other_methods_are_compiled_too(name: str, method: str, serve: Serve) -> None:
    estimator, target = MODELS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        predictor = serve(estimator.fit(X, target), response_method=method)
        expected = getattr(estimator, method)(ROWS)
    np.testing.assert_allclose(np.asarray(predictor(ROWS.tolist()).result), expected, rtol=1e-5, atol=1e-5)
    assert predictor.facts.report.runtime != "sklearn", predictor.facts.report.trials
