"""A model that cannot answer does not pass, and an answer never depends on who else asks."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from click.testing import CliRunner
from modelling import NUMBER, OBJECT, ROW, Serve, X, message, place, y
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.decomposition import NMF
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import CategoricalNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeClassifier

from engine.commands import cli
from engine.errors import RefusedInstance, SpecError
from engine.models.proving.tryout import FLOAT32_TOLERANCE, FLOAT64_TOLERANCE, _differing

PAIR = {"type": "array", "items": NUMBER, "minItems": 2, "maxItems": 2}


class Fails(ClassifierMixin, BaseEstimator):
    """An estimator with a mistake of its own."""

    def fit(self, X: Any, y: Any) -> Fails:  # noqa: N803
        self.classes_ = np.unique(y)
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803
        raise AttributeError(f"no dt in {len(X)} rows")


class Refuses(RegressorMixin, BaseEstimator):
    """An estimator that takes nothing that is large."""

    def fit(self, X: Any, y: Any) -> Refuses:  # noqa: ARG002, N803
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803
        return LinearRegression().fit(np.eye(self.n_features_in_ + 1), np.ones(self.n_features_in_ + 1)).predict(X)


@pytest.mark.parametrize("runtime", ["auto", "sklearn", "numpy"])
def test_a_model_that_raises_on_every_row_is_a_mistake(runtime: str, serve: Serve) -> None:
    with pytest.raises(SpecError) as refused:
        serve(
            Fails().fit(X[:, :2], y), input={**PAIR, "items": {**NUMBER, "minimum": 1, "maximum": 3}}, runtime=runtime
        )
    assert (
        "the model answers none of the 200 rows it was tried with (200 made up from its input); "
        "[2.0, 2.0] raised AttributeError: no dt in 1 rows; "
        'if it answers others, add one under "examples", or a CSV of them as "reference"'
    ) == message(refused)
    assert '"model.pkl"' == place(refused)


def test_so_is_one_that_refuses_every_row_of_its_reference(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("sepal_length,sepal_width,petal_length,petal_width\n5.1,3.5,1.4,0.2\n")
    with pytest.raises(SpecError) as refused:
        serve(Refuses().fit(X, y), input=OBJECT, reference="rows.csv")
    said = message(refused)
    assert "rows it was tried with (1 of its examples and reference, 199 made up from its input); " in said
    shown = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
    assert f"{json.dumps(shown)[:59]}… raised ValueError: X has 4 features, but LinearRegression" in said


def test_an_example_on_which_it_fails_is_told_alone(serve: Serve) -> None:
    with pytest.raises(SpecError) as refused:
        serve(Fails().fit(X, y), examples=[{"input": [1, 2, 3, 4], "result": 1}])
    assert "the model fails on this example: AttributeError: no dt in 1 rows" == message(refused)


def test_one_answer_is_enough(serve: Serve) -> None:
    """Categories that the schema does not list are no numbers that could be drawn: the model's own are tried."""
    codes = np.array([[3, 70], [4, 80], [3, 90], [4, 70]] * 5)
    model = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(codes, [0, 1, 0, 1] * 5)
    served = serve(model, input={**PAIR, "items": {"type": "integer"}}, runtime="sklearn")
    assert ([0, 1], ()) == (served([[3, 70], [4, 90]]).result, served.facts.warnings)
    naive = CategoricalNB().fit(np.tile(codes % 3, 10), [0, 1, 0, 1] * 5)
    many = {**PAIR, "minItems": 20, "maxItems": 20, "items": {"type": "integer", "minimum": 0}}
    assert serve(naive, input=many, runtime="sklearn").facts.report


def test_a_model_that_cannot_be_tried_is_a_warning(serve: Serve) -> None:
    never = {"type": "object", "required": ["a"], "properties": {"a": {"type": "number", "minimum": 2, "maximum": 1}}}
    (warning,) = serve(DecisionTreeClassifier().fit(X[:, :1], y), input=never).facts.warnings
    assert (
        "the model was not tried: no row could be made up that its input allows; "
        'add one under "examples", or name a file of rows as its reference'
    ) == warning.message
    assert ("warning", "input") == (warning.severity, warning.place.text.strip().split('"')[1])


def center(rows: Any) -> Any:
    return rows - rows.mean(axis=0)


def one_at_a_time(rows: Any) -> Any:
    if len(rows) > 1:
        raise NotImplementedError("only one row")
    return rows


def summed(rows: Any) -> Any:
    return rows[:1]


CENTERED = make_pipeline(FunctionTransformer(center), LinearRegression()).fit(X[:, :2], X[:, 0])


@pytest.mark.parametrize("runtime", ["auto", "sklearn"])
def test_a_model_whose_answers_depend_on_the_batch_computes_row_by_row(runtime: str, serve: Serve) -> None:
    rows = [[5.0, 0.0], [-100.0, 0.0], [0.0, 0.0], [7.0, 0.0]]
    alone = [float(CENTERED.predict(np.array([row]))[0]) for row in rows]
    served = serve(CENTERED, input=PAIR, runtime=runtime, batch={"max_wait_ms": 50})
    assert alone == served(rows).result
    with ThreadPoolExecutor(8) as pool:
        assert alone * 10 == [one.result[0] for one in pool.map(lambda row: served([row]), rows * 10)]
    (warning,) = served.facts.warnings
    assert warning.message.startswith("the model's answer to a row depends on the other rows of the batch: ")
    assert warning.message.endswith(
        " among 32 rows; requests do not share calls, and the instances of a request are computed one by one"
    )


@pytest.mark.parametrize("change", [one_at_a_time, summed], ids=lambda change: change.__name__)
def test_so_does_one_that_answers_only_one_row_at_a_time(change: Callable[..., Any], serve: Serve) -> None:
    model = make_pipeline(FunctionTransformer(change), DecisionTreeClassifier(random_state=0)).fit(X[:1], y[:1])
    served = serve(model)
    assert [0, 0, 0] == served(X[:3].tolist()).result
    (warning,) = served.facts.warnings
    expected = {
        one_at_a_time: "raised NotImplementedError: only one row for all at once; ",
        summed: "the model gave 1 result for 32 rows at once; ",
    }
    assert expected[change] in warning.message


def test_probabilities_count_too(serve: Serve) -> None:
    model = make_pipeline(FunctionTransformer(center), DecisionTreeClassifier(max_depth=1)).fit(X, y > 0)
    served = serve(model, output={"probabilities": True})
    chances = [dict(zip(("false", "true"), model.predict_proba(row[None])[0], strict=True)) for row in X[::30]]
    assert chances == served(X[::30].tolist()).probabilities


ORDINARY = {
    "linear": LinearRegression(),
    "logistic": LogisticRegression(max_iter=1000),
    "neighbours": KNeighborsClassifier(weights="distance"),
    "perceptron": MLPRegressor(hidden_layer_sizes=(5,), max_iter=50, random_state=0),
    "kernel": SVR(),
    "forest": RandomForestRegressor(5, random_state=0),
}


@pytest.mark.parametrize("name", ORDINARY)
def test_rounding_does_not_count(name: str, serve: Serve) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        served = serve(ORDINARY[name].fit(X, y), runtime="sklearn")
    assert ((), "") == (served.facts.warnings, served.facts.report.one_by_one)


def test_a_factorization_that_stops_when_the_whole_batch_is_near_enough_computes_row_by_row(serve: Serve) -> None:
    model = NMF(2, random_state=0, max_iter=500).fit(X)
    served = serve(model, response_method="transform", input={**ROW, "items": {**NUMBER, "minimum": 0}})
    assert served.facts.warnings
    assert [model.transform(row[None])[0].tolist() for row in X[:9]] == served(X[:9].tolist()).result


@pytest.mark.parametrize(
    ("value", "tolerance"), [(1 / 3, FLOAT64_TOLERANCE), (float(np.float32(1 / 3)), FLOAT32_TOLERANCE)]
)
def test_the_tolerance_is_that_of_the_precision(value: float, tolerance: float) -> None:
    """A value near zero is held to the size of the others in its column."""
    assert _differing([value, 0.0], [value * (1 + tolerance / 2), value * tolerance / 3]) is None
    assert 1 == _differing([value, value], [value, value * (1 + tolerance * 2)])
    assert 0 == _differing(["a", "b"], ["b", "b"])
    assert 1 == _differing([[1.0], [2.0, 3.0]], [[1.0], [2.0, 4.0]])
    assert _differing([np.inf, np.nan], [np.inf, np.nan]) is None


@pytest.mark.usefixtures("in_place")
def test_check_says_it_in_its_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    joblib.dump(CENTERED, "m.pkl")
    Path("routes.yaml").write_text("routes: [{path: /m, model: m}]")
    Path("models.yaml").write_text(json.dumps({"models": {"m": {"file": "m.pkl", "input": PAIR}}}))
    for _ in range(2):  # from the file, and from the cache
        done = CliRunner().invoke(cli, ["check"])
        assert 0 == done.exit_code, done.output
        assert "models.yaml:1:27: warning: the model's answer to a row depends on the other rows" in done.stderr
        assert "sklearn, row by row" in done.stdout
    (found,) = json.loads(CliRunner().invoke(cli, ["check", "--json"]).stdout)["diagnostics"]
    assert "warning" == found["severity"]


class Slow(RegressorMixin, BaseEstimator):
    """Takes its time for a call, and counts its calls."""

    calls = 0

    def fit(self, X: Any, y: Any) -> Slow:  # noqa: ARG002, N803
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803
        Slow.calls += 1
        time.sleep(0.3)
        return np.asarray(X)[:, 0]


def test_a_slow_model_is_tried_for_a_bounded_time(serve: Serve) -> None:
    served = serve(Slow().fit(X, y), runtime="sklearn")
    assert ((), "") == (served.facts.warnings, served.facts.report.one_by_one)
    assert Slow.calls < 12


def test_what_a_model_refuses_in_one_row_of_many_is_refused_there(serve: Serve) -> None:
    served = serve(CENTERED, input={**PAIR, "items": {"type": ["number", "null"]}})
    with pytest.raises(RefusedInstance) as refused:
        served([[1, 2], [1, None]])
    assert 1 == refused.value.row
