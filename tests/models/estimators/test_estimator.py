"""Estimators of every kind answer what they say themselves, by any response method."""

from __future__ import annotations

import json
import math
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from modelling import SPECIES, TEXTS, Serve, X, message, place, y
from sklearn.base import BaseEstimator, ClassifierMixin, is_clusterer
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import DBSCAN, KMeans
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest, RandomForestClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.neighbors import KernelDensity, KNeighborsClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC, OneClassSVM
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils import all_estimators

from engine.errors import SpecError
from engine.models.proving.learnt_ranges import learnt_ranges


def fitted(name: str, estimator_class: type) -> Any:
    """An estimator of scikit-learn's own, fitted on iris where it can be."""
    inner = LogisticRegression(max_iter=1000)
    wants = {"estimator": inner, "estimators": [("a", inner), ("b", DecisionTreeClassifier())], "n_estimators": 10}
    if name in {"VotingRegressor", "StackingRegressor"}:
        wants["estimators"] = [("a", LinearRegression()), ("b", DecisionTreeRegressor())]
    elif name.endswith("Regressor") or name in {"RegressorChain", "RFE", "RFECV"}:
        wants["estimator"] = LinearRegression()
    arguments = {key: value for key, value in wants.items() if key in estimator_class.__init__.__code__.co_varnames}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator_class(**arguments).fit(columns_for(name), targets_for(name))


def targets_for(name: str) -> Any:
    if name.startswith(("MultiOutput", "MultiTask", "PLS", "CCA")) or name in {"ClassifierChain", "RegressorChain"}:
        return np.c_[y, y == 1].astype(int)
    if name in {"FixedThresholdClassifier", "TunedThresholdClassifierCV"}:
        return y == 1
    return y + 1 if name == "GammaRegressor" else y


def columns_for(name: str) -> Any:
    return X[:, :1] if name == "IsotonicRegression" else X


# What scikit-learn itself serves: it has no compiled form, or none that is right and faster.
UNCOMPILED = {
    *("CategoricalNB", "DummyClassifier", "GaussianProcessClassifier", "LabelPropagation", "LabelSpreading"),
    *("NearestCentroid", "OutputCodeClassifier", "RadiusNeighborsClassifier"),
    "AdaBoostClassifier",  # of linear models, as `fitted` makes it here
    *("CCA", "DummyRegressor", "GaussianProcessRegressor", "IsotonicRegression", "KNeighborsRegressor"),
    *("PLSCanonical", "RadiusNeighborsRegressor"),
}


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("name", "estimator_class"), all_estimators(type_filter=["classifier", "regressor", "cluster"]), ids=str
)
def test_every_estimator_with_predict_answers_as_itself(name: str, estimator_class: type, serve: Serve) -> None:
    """Classifiers, regressors and clusterers of scikit-learn; one without `predict` is refused and says so."""
    estimator = fitted(name, estimator_class)
    if not hasattr(estimator, "predict"):
        with pytest.raises(SpecError) as refused:
            serve(estimator)
        assert f"{name} has no predict" in message(refused)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = np.asarray(estimator.predict(columns_for(name)))
        predictor = serve(estimator, input={"type": "array", "items": {"type": "number"}})
        actual = np.asarray(predictor(columns_for(name).tolist()).result)
    if expected.dtype.kind != "f":
        assert expected.tolist() == actual.tolist()
    else:  # what the proof allows
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6 * np.ptp(expected))
    if not is_clusterer(estimator) and name not in UNCOMPILED:
        assert predictor.facts.report.runtime != "sklearn", predictor.facts.report.why


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("estimator", "method"),
    [
        (LogisticRegression(max_iter=1000), "predict_proba"),
        (LogisticRegression(max_iter=1000), "decision_function"),
        (SVC(), "decision_function"),
        (RandomForestClassifier(10), "predict_proba"),
        (IsolationForest(n_estimators=10), "predict"),
        (IsolationForest(n_estimators=10), "score_samples"),
        (IsolationForest(n_estimators=10), "decision_function"),
        (OneClassSVM(), "predict"),
        (KernelDensity(), "score_samples"),
        (KMeans(3), "predict"),
        (KMeans(3), "transform"),
        (PCA(2), "transform"),
        (StandardScaler(), "transform"),
        (OneHotEncoder(handle_unknown="ignore"), "transform"),
        (make_pipeline(StandardScaler(), PCA(2)), "transform"),
        (GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2]}), "predict_proba"),
    ],
    ids=str,
)
def test_every_response_method_answers_as_the_estimator(estimator: Any, method: str, serve: Serve) -> None:
    estimator.fit(X, y)
    answer = getattr(estimator, method)(X)
    expected = answer.toarray() if hasattr(answer, "toarray") else np.asarray(answer)
    actual = serve(estimator, response_method=method)(X.tolist()).result
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6 * np.ptp(expected))


def test_string_classes_are_results_and_labels_rename_them(serve: Serve) -> None:
    estimator = RandomForestClassifier(10, random_state=0).fit(X, SPECIES[y])
    predictor = serve(estimator, output={"labels": ["A", "B", "C"], "probabilities": True})
    prediction = predictor(X[[0, 100]].tolist())
    assert ["setosa", "virginica"] == prediction.result
    assert ["A", "C"] == prediction.labels
    assert [{"A", "B", "C"}] * 2 == [set(chances) for chances in prediction.probabilities]


def test_probabilities_without_labels_are_keyed_by_class(serve: Serve) -> None:
    predictor = serve(LogisticRegression(max_iter=1000).fit(X, y), output={"probabilities": True})
    (chances,) = predictor([X[0].tolist()]).probabilities
    assert ["0", "1", "2"] == list(chances)
    assert math.isclose(1, sum(chances.values()))


def test_labels_follow_the_result_also_where_probabilities_disagree(serve: Serve) -> None:
    """An SVC's predictions are not always its most probable class."""
    estimator = KNeighborsClassifier(1).fit(X, y == 1)
    predictor = serve(estimator, output={"labels": ["other", "versicolor"]})
    prediction = predictor(X.tolist())
    assert [bool(result) for result in y == 1] == prediction.result
    assert ["versicolor" if result else "other" for result in y == 1] == prediction.labels


def test_several_outputs_answer_row_by_row(serve: Serve) -> None:
    targets = np.c_[y, y % 2]
    regressor = RandomForestRegressor(5, random_state=0).fit(X, targets)
    assert regressor.predict(X[:3]).tolist() == serve(regressor)(X[:3].tolist()).result
    classifier = MultiOutputClassifier(DecisionTreeClassifier()).fit(X, targets)
    assert targets[:3].tolist() == serve(classifier)(X[:3].tolist()).result
    chances = serve(classifier, response_method="predict_proba")(X[:2].tolist()).result
    assert [[[1.0, 0.0, 0.0], [1.0, 0.0]]] * 2 == chances


def test_a_text_goes_to_the_estimator_as_it_is(serve: Serve) -> None:
    estimator = make_pipeline(CountVectorizer(), MultinomialNB()).fit(TEXTS, ["+", "-"] * 3)
    predictor = serve(estimator, input={"type": "string"})
    assert ["+", "-", "+"] == predictor(["good", "bad", "good good bad"]).result
    assert predictor.facts.features is None


def test_a_number_is_one_column(serve: Serve) -> None:
    estimator = LinearRegression().fit([[0], [1], [2]], [1.0, 3.0, 5.0])
    assert np.allclose([21, 2], serve(estimator, input={"type": "number"})([10, 0.5]).result)


class Fails(ClassifierMixin, BaseEstimator):
    """An estimator with a mistake of its own, for what is large."""

    def fit(self, X: Any, y: Any) -> Fails:  # noqa: N803
        self.classes_ = np.unique(y)
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803
        if (X > 100).any():
            raise ValueError("secret")
        return np.zeros(len(X), int)


def test_a_failure_of_the_estimators_own_is_no_refusal(serve: Serve) -> None:
    with pytest.raises(ValueError, match="secret"):
        serve(Fails().fit(X, y))([[1, 2, 3, 101]])


def test_an_example_on_which_the_model_fails_is_told(serve: Serve) -> None:
    with pytest.raises(SpecError) as refused:
        serve(Fails().fit(X, y), examples=[{"input": [1, 2, 3, 101], "result": 1}])
    assert "the model fails on this example: ValueError: secret" == message(refused)


@pytest.mark.parametrize(
    ("result", "passes"),
    [(152.133484162896, True), (152.13348, True), (152.13, False), (152, False), ("152.133484162896", False)],
)
def test_an_examples_fractions_agree_to_six_digits(result: Any, passes: bool, serve: Serve) -> None:
    estimator = LinearRegression().fit([[0.0], [1.0]], [152.133484162896, 152.133484162896])
    example = {"input": 0.5, "result": result}
    if passes:
        assert 1 == serve(estimator, input={"type": "number"}, examples=[example]).facts.examples
        return
    with pytest.raises(SpecError) as refused:
        serve(estimator, input={"type": "number"}, examples=[example])
    assert f"the model answers 152.133484162896, not {json.dumps(result)}" == message(refused)


@pytest.mark.parametrize(
    ("estimator", "keys", "expected", "where"),
    [
        (
            LinearRegression(),
            {"output": {"labels": ["a"]}},
            "LinearRegression is not a classifier, so it has no labels",
            None,
        ),
        (
            LinearRegression(),
            {"output": {"probabilities": True}},
            "LinearRegression has no predict_proba (it has: predict), so it gives no probabilities",
            "true",
        ),
        (
            RidgeClassifier(),
            {"output": {"probabilities": True}},
            "RidgeClassifier has no predict_proba (it has: predict, decision_function), so it gives no probabilities",
            "true",
        ),
        (
            RidgeClassifier(),
            {"output": {"labels": ["a", "b"]}},
            "2 labels for 3 classes (0, 1, 2); name each class once, in this order",
            None,
        ),
        (
            LogisticRegression(max_iter=1000),
            {"output": {"labels": ["a", "b", "c"]}, "response_method": "predict_proba"},
            "labels name the results of predict, but the response_method is predict_proba",
            None,
        ),
        (DBSCAN(), {}, "DBSCAN has no predict (nor any other to answer by)", '"model.pkl"'),
        (StandardScaler(), {}, "StandardScaler has no predict (it has: transform)", '"model.pkl"'),
        (
            RidgeClassifier(),
            {"response_method": "predict_proba"},
            "RidgeClassifier has no predict_proba (it has: predict, decision_function)",
            '"predict_proba"',
        ),
    ],
    ids=str,
)
def test_an_output_that_the_estimator_does_not_give_is_refused(
    estimator: Any, keys: dict[str, Any], expected: str, where: str | None, serve: Serve
) -> None:
    with pytest.raises(SpecError) as refused:
        serve(estimator.fit(X, y), **keys)
    assert expected == message(refused)
    if where is not None:
        assert where == place(refused)


FRAME = pd.DataFrame({"a": X[:, 0], "b": X[:, 1]})
AB = {"type": "object", "required": ["a", "b"], "properties": {"a": {"type": "number"}, "b": {"type": "number"}}}


def by_name() -> Any:
    return make_column_transformer((StandardScaler(), ["a", "b"]))


@pytest.mark.parametrize(
    "estimator",
    [
        TransformedTargetRegressor(make_pipeline(by_name(), LinearRegression()), func=np.log1p, inverse_func=np.expm1),
        CalibratedClassifierCV(make_pipeline(by_name(), LogisticRegression())),
        make_pipeline(FeatureUnion([("u", by_name())]), LogisticRegression()),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_columns_selected_by_name_deep_inside_come_by_name(estimator: Any, serve: Serve) -> None:
    estimator.fit(FRAME, y)
    (actual,) = serve(estimator, input=AB)([{"b": 3.5, "a": 5.1}]).result
    assert actual == pytest.approx(estimator.predict(pd.DataFrame({"a": [5.1], "b": [3.5]}))[0])


def test_columns_selected_by_name_do_not_come_in_an_array(serve: Serve) -> None:
    with pytest.raises(SpecError) as refused:
        serve(make_pipeline(by_name(), LogisticRegression()).fit(FRAME, y))
    assert "the model selects its columns by name; its input is of type object" == message(refused)


@pytest.mark.parametrize(
    "schema", [{"type": "object", "properties": {"text": {"type": "string"}}}, {"type": "number"}], ids=str
)
def test_a_vectorizer_wants_texts(schema: Any, serve: Serve) -> None:
    estimator = make_pipeline(CountVectorizer(), MultinomialNB()).fit(TEXTS, [1, 0] * 3)
    with pytest.raises(SpecError) as refused:
        serve(estimator, input=schema)
    assert "the model begins with a CountVectorizer, which takes texts; its input is of type string" == message(refused)


@pytest.mark.parametrize("inner", [OneVsRestClassifier(LogisticRegression()), RidgeClassifier()], ids=str)
def test_a_classifier_of_several_classes_at_once_has_no_labels(inner: Any, serve: Serve) -> None:
    estimator = inner.fit(X, np.c_[y == 0, y == 1].astype(int))
    assert estimator.predict(X[:3]).tolist() == serve(estimator)(X[:3].tolist()).result
    with pytest.raises(SpecError) as refused:
        serve(estimator, output={"labels": ["p", "q"]})
    assert "predicts several outputs, so it has no labels" in message(refused)


@pytest.mark.parametrize(
    "estimator",
    [
        TransformedTargetRegressor(LinearRegression(), func=np.log1p, inverse_func=np.expm1),
        TransformedTargetRegressor(
            LinearRegression(), transformer=make_pipeline(FunctionTransformer(np.log1p, np.expm1), StandardScaler())
        ),
    ],
    ids=["functions", "a pipeline"],
)
def test_parts_for_the_target_select_no_columns(estimator: Any, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor do they say between which values a column lies; pandas is not needed."""
    served = serve(estimator.fit(FRAME, y), input=AB)
    assert ("array", {}) == (served.columns.form, learnt_ranges(estimator.fit(FRAME[["a"]], y), None))
    np.testing.assert_allclose(estimator.fit(FRAME, y).predict(FRAME), served(FRAME.to_dict("records")).result)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    serve(estimator, input=AB, runtime="sklearn")


@pytest.mark.parametrize("values", [["x", "y", None] * 20, [True, False, None] * 20], ids=str)
def test_a_missing_category_is_the_one_that_the_model_knows(values: list[Any], serve: Serve) -> None:
    frame = pd.DataFrame({"c": pd.Series(values, dtype=object)})
    columns = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["c"]))
    estimator = make_pipeline(columns, DecisionTreeClassifier()).fit(frame, frame["c"].isna())
    schema = {"type": "object", "properties": {"c": {"type": ["string", "boolean", "null"]}}}
    assert [True, False, True] == serve(estimator, input=schema)([{"c": None}, {"c": values[0]}, {}]).result
