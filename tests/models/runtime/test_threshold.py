"""A threshold decides between two classes as scikit-learn's own FixedThresholdClassifier does, compiled or not."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flask
import joblib
import numpy as np
import pytest
from modelling import ROW, SPECIES, Serve, X, message, place, y
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from engine.commands.check import classes_of
from engine.errors import SpecError
from engine.models.outlining.model_outline import outline_model
from engine.spec import ModelEntry

random = np.random.default_rng(0)
ROWS = np.vstack([X, X + random.normal(scale=1, size=X.shape)])
ANSWER = np.array(["no", "yes"])[(y == 1).astype(int)]
COMPILED = {
    "trees": RandomForestClassifier(10, max_depth=2, random_state=0),
    "a tree": DecisionTreeClassifier(max_leaf_nodes=9, min_samples_leaf=9, random_state=0),
    "boosting": HistGradientBoostingClassifier(max_iter=5),
    "linear": LogisticRegression(),
    "a pipeline": make_pipeline(StandardScaler(), LogisticRegression()),
    "a search": GridSearchCV(make_pipeline(StandardScaler(), LogisticRegression()), {}, cv=2),
}


def by_scikit_learn(estimator: Any, bar: float, positive: str = "yes") -> list[str]:
    return FixedThresholdClassifier(estimator, threshold=bar, pos_label=positive).predict(ROWS).tolist()


@pytest.mark.parametrize("name", COMPILED)
@pytest.mark.parametrize("positive", ["yes", "no"])
def test_a_compiled_model_answers_as_scikit_learn_with_the_threshold(name: str, positive: str, serve: Serve) -> None:
    """With trees, the threshold is a probability that occurs, so that "at least" is told from "more than"."""
    estimator = COMPILED[name].fit(X, ANSWER)
    chances = estimator.predict_proba(ROWS)
    ours = np.unique(chances[:, int(positive == "yes")])
    lower = ours[(ours > 0) & (ours < 0.5)]
    bar = float(lower[0] if name in ("trees", "a tree") else lower[:2].mean())
    predictor = serve(estimator, threshold={positive: bar}, output={"probabilities": True})
    prediction = predictor(ROWS.tolist())
    assert by_scikit_learn(estimator, bar, positive) == prediction.result
    assert by_scikit_learn(estimator, 0.5, positive) != prediction.result
    assert prediction.result == [predictor([row]).result[0] for row in ROWS.tolist()]
    np.testing.assert_allclose([[one["no"], one["yes"]] for one in prediction.probabilities or ()], chances, rtol=1e-9)
    assert "sklearn" != predictor.facts.report.runtime


def test_the_second_class_is_the_positive_one(serve: Serve) -> None:
    estimator = LogisticRegression().fit(X, ANSWER)
    assert by_scikit_learn(estimator, 0.2) == serve(estimator, threshold=0.2)(ROWS.tolist()).result
    assert {"yes": 0.2} == serve(None, threshold=0.2).facts.threshold


def test_scikit_learn_itself_decides_so_too(serve: Serve) -> None:
    estimator = GaussianNB().fit(X, ANSWER)
    predictor = serve(estimator, threshold=0.2, runtime="sklearn", output={"probabilities": True})
    assert by_scikit_learn(estimator, 0.2) == predictor(ROWS.tolist()).result
    assert set(ANSWER) == {*predictor(ROWS.tolist()).probabilities[0]}


def test_labels_name_the_positive_class_and_follow_the_result(serve: Serve) -> None:
    estimator = LogisticRegression().fit(X, (y == 1).astype(int))
    predictor = serve(estimator, threshold={"yes": 0.2}, output={"labels": ["no", "yes"]})
    prediction = predictor(ROWS.tolist())
    assert ((estimator.predict_proba(ROWS)[:, 1] >= 0.2).astype(int)).tolist() == prediction.result
    assert [["no", "yes"][result] for result in prediction.result] == prediction.labels


class Narrow(ClassifierMixin, BaseEstimator):
    """Answers in float32, as XGBoost does: its first column is the probability."""

    def fit(self, rows: Any, target: Any) -> Narrow:
        self.classes_, self.n_features_in_ = np.unique(target), np.shape(rows)[1]
        return self

    def predict_proba(self, rows: Any) -> Any:
        column = np.asarray(rows)[:, 0].astype(np.float32)
        return np.column_stack([1 - column, column])

    def predict(self, rows: Any) -> Any:
        return self.classes_[self.predict_proba(rows).argmax(axis=1)]


def test_a_probability_is_compared_in_its_own_dtype(serve: Serve) -> None:
    """In float32, 0.7 is less than in float64."""
    assert float(np.float32(0.7)) < 0.7
    predictor = serve(Narrow().fit(X, ANSWER), threshold=0.7)
    assert ["yes", "no"] == predictor([[0.7, 0, 0, 0], [0.699, 0, 0, 0]]).result


def test_a_graph_has_a_threshold_too(serve: Serve) -> None:
    from skl2onnx import to_onnx

    estimator = LogisticRegression().fit(X.astype(np.float32), (y == 1).astype(int))

    def save(_: object, file: Path) -> None:
        graph = to_onnx(estimator, X[:1].astype(np.float32), options={"zipmap": False})
        file.write_bytes(graph.SerializeToString())

    predictor = serve(estimator, file="m.onnx", save=save, threshold=0.2)
    expected = (estimator.predict_proba(ROWS.astype(np.float32))[:, 1] >= 0.2).astype(int)
    assert expected.tolist() == predictor(ROWS.tolist()).result


THREE = DecisionTreeClassifier(max_depth=1).fit(X, SPECIES[y])
WRONG: dict[str, tuple[Any, dict[str, Any], str, str]] = {
    "three classes": (
        THREE,
        {"threshold": 0.3},
        "0.3",
        'a threshold needs a classifier of two classes; the model has 3 ("setosa", "versicolor", "virginica")',
    ),
    "a regressor": (
        LinearRegression().fit(X, y),
        {"threshold": 0.3},
        "0.3",
        "a threshold needs a classifier of two classes; the model is a regressor",
    ),
    "several outputs": (
        DecisionTreeClassifier(max_depth=1).fit(X, np.c_[y == 1, y == 2]),
        {"threshold": 0.3},
        "0.3",
        "a threshold needs a classifier of two classes; the model predicts several outputs",
    ),
    "another class": (
        LogisticRegression().fit(X, ANSWER),
        {"threshold": {"Yes!": 0.3}},
        '"Yes!"',
        '"Yes!" is not a class of the model (did you mean "yes"?)',
    ),
    "a class by its number where it has a label": (
        LogisticRegression().fit(X, (y == 1).astype(int)),
        {"threshold": {"1": 0.3}, "output": {"labels": ["no", "yes"]}},
        '"1"',
        '"1" is not a class of the model (its classes are: no, yes)',
    ),
    "no probabilities": (
        LinearSVC().fit(X, ANSWER),
        {"threshold": 0.3},
        "0.3",
        "LinearSVC has no predict_proba, which a threshold needs",
    ),
    "a threshold of its own": (
        make_pipeline(
            StandardScaler(), FixedThresholdClassifier(LogisticRegression(), threshold=0.2, pos_label="yes")
        ).fit(X, ANSWER),
        {"threshold": 0.3},
        "0.3",
        (
            "the FixedThresholdClassifier in the file has a threshold of its own; remove this one, or save the "
            "classifier that the FixedThresholdClassifier was made with"
        ),
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_threshold_that_cannot_be_is_told_at_its_place(name: str, serve: Serve) -> None:
    estimator, keys, where, expected = WRONG[name]
    with pytest.raises(SpecError) as error:
        serve(estimator, **keys)
    assert (where, expected) == (place(error), message(error))


def test_the_documents_say_from_where_on_the_answer_is_positive(
    app_of: Callable[..., flask.Flask], spec_folder: Path
) -> None:
    joblib.dump(LogisticRegression().fit(X, ANSWER), spec_folder / "m.pkl")
    models = {"models": {"m": {"file": "m.pkl", "description": "Good.", "input": ROW, "threshold": 0.3}}}
    client = app_of("routes: [{path: /p, model: m}]", json.dumps(models)).test_client()
    document = client.get("/openapi.json").get_json()
    said = 'The answer is "yes" if its probability is at least 0.3, otherwise "no".'
    assert said == document["components"]["schemas"]["MPrediction"]["properties"]["result"]["items"]["description"]
    assert f"Good.\n\n{said}" == document["paths"]["/p"]["post"]["description"]
    page = html.unescape(client.get("/docs").get_data(as_text=True))
    assert (True, True) == (said in page, '0.3 for "yes"' in page)


def test_check_shows_it_beside_the_classes(serve: Serve) -> None:
    facts = serve(LogisticRegression().fit(X, ANSWER), threshold={"no": 0.25}).facts
    assert "no, yes; no from 0.25" == classes_of(facts)


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        (
            LogisticRegression(),
            ['  # threshold: 0.3  # "yes" is the answer from this probability on; {"no": 0.3} sets that of "no"'],
        ),
        (FixedThresholdClassifier(LogisticRegression(), threshold=0.3, pos_label="yes"), []),
        (LinearSVC(), []),
    ],
    ids=["two classes", "a threshold of its own", "no probabilities"],
)
def test_init_offers_it_for_two_classes(estimator: Any, expected: list[str], tmp_path: Path) -> None:
    joblib.dump(estimator.fit(X, ANSWER), tmp_path / "m.pkl")
    text = ModelEntry(name="m", file="m.pkl", outline=outline_model(tmp_path / "m.pkl")).text()
    assert expected == [line for line in text.splitlines() if "threshold" in line]
