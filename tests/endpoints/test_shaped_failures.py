"""What routes with a model answer where it fails, and what is injected into and counted on them."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import flask
import joblib
import pytest
from apps import build_app
from modelling import NAMES, OBJECT
from sklearn.linear_model import LinearRegression

from engine.errors import Overloaded, RefusedInstance, SpecError
from engine.handling import open_service
from engine.models import Facts, Prediction, Predictor, compile_models
from engine.spec import load_spec

ROW = dict(zip(NAMES, (5.1, 3.5, 1.4, 0.2), strict=True))
MODELS = {"iris": {"file": "build/model.pkl", "input": OBJECT, "output": {"probabilities": True}}}
ON_FAILURE = {
    "status": 503,
    "headers": {"X-At": "${query.at}"},
    "json": {"for": "${body.sepal_length}", "at": "${query.at}"},
}
ROUTE = {
    "path": "/",
    "model": "iris",
    "many": False,
    "query": {"required": ["at"], "properties": {"at": {"type": "string"}}},
    "response": {"json": "${result}"},
    "on_failure": {"response": ON_FAILURE},
}


class Substitute:
    """A predictor that does something else."""

    def __init__(self, of: Predictor, does: Callable[[Sequence[Any]], Prediction]) -> None:
        self._of, self._does = of, does

    @property
    def facts(self) -> Facts:
        return self._of.facts

    def watch(self, observe: Callable[[int], None]) -> None:
        self._of.watch(observe)

    def __call__(self, instances: Sequence[Any]) -> Prediction:
        return self._does(instances)


App = Callable[..., flask.Flask]


@pytest.fixture
def app_with(spec_folder: Path) -> App:
    def make(does: Any = None, **keys: Any) -> flask.Flask:
        route = {key: value for key, value in {**ROUTE, **keys}.items() if value is not None}
        (spec_folder / "routes.yaml").write_text(json.dumps({"routes": [route]}))
        (spec_folder / "models.yaml").write_text(json.dumps({"models": MODELS}))
        spec = load_spec(spec_folder / "routes.yaml")
        found = compile_models(spec)
        predictors = found if does is None else {"iris": Substitute(found["iris"], does)}
        return build_app(spec, predictors)

    return make


def raising(error: Exception) -> Callable[[Sequence[Any]], Prediction]:
    def fail(_: Sequence[Any]) -> Prediction:
        raise error

    return fail


@pytest.mark.parametrize("error", [RuntimeError("out of luck"), Overloaded("has not answered within 2 seconds")])
def test_on_failure_answers_for_a_model_that_fails_or_is_late(
    app_with: App, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "engine"):
        answer = app_with(raising(error)).test_client().post("/?at=noon", json=ROW)
    assert (503, {"for": 5.1, "at": "noon"}, "noon") == (answer.status_code, answer.json, answer.headers["X-At"])
    logged = [(one.message, one.exc_info and one.exc_info[1]) for one in caplog.records]
    assert ([] if isinstance(error, Overloaded) else [("iris: the model failed; on_failure answers", error)]) == logged


def test_on_failure_does_not_answer_for_what_the_client_did_wrong(app_with: App) -> None:
    refusing = app_with(raising(RefusedInstance(0, "no such flower", key="sepal_width"))).test_client()
    assert [{"pointer": "#/sepal_width", "detail": "no such flower"}] == refusing.post("/?at=x", json=ROW).json[
        "errors"
    ]
    invalid = app_with(raising(RuntimeError())).test_client().post("/", json={})
    assert (422, 5) == (invalid.status_code, len(invalid.json["errors"]))


def test_without_on_failure_a_failing_model_is_500_and_a_late_one_503(app_with: App) -> None:
    for error, status in ((RuntimeError(), 500), (Overloaded("late"), 503)):
        app = app_with(raising(error), on_failure=None)
        assert status == app.test_client().post("/?at=x", json=ROW).status_code


@pytest.mark.parametrize(("keys", "wanted"), [({}, {"for": 5.1, "at": "b"}), ({"on_failure": None}, None)])
def test_a_request_beyond_the_limit_is_read_and_answered_as_a_failure(
    app_with: App, keys: dict[str, Any], wanted: Any
) -> None:
    inside, leave = threading.Event(), threading.Event()

    def wait(_: Sequence[Any]) -> Prediction:
        inside.set()
        leave.wait(20)
        return Prediction([0], None, [{"0": 1.0, "1": 0.0, "2": 0.0}])

    app = app_with(wait, limits={"concurrent": 1}, **keys)
    first: list[Any] = []
    thread = threading.Thread(target=lambda: first.append(app.test_client().post("/?at=a", json=ROW)))
    thread.start()
    inside.wait(20)
    second, wrong = (app.test_client().post("/?at=b", json=body) for body in (ROW, {}))
    leave.set()
    thread.join()
    assert (200, 503) == (first[0].status_code, second.status_code)
    assert (wanted is None) or wanted == second.json
    assert (503 if wanted is None else 422) == wrong.status_code


def test_sequences_and_cases_with_faults_answer_on_routes_with_models(app_with: App) -> None:
    steps = [{"times": 1, "response": {"json": ["first", "${label}"]}}, {"response": {"json": ["later", "${result}"]}}]
    app = app_with(response=None, sequence={"responses": steps})
    assert [["first", "0"], ["later", 0], ["later", 0]] == [
        app.test_client().post("/?at=x", json=ROW).json for _ in range(3)
    ]
    cases = [{"when": {"label": "0"}, "delay": "1ms", "response": {"json": 0}}, {"response": {"json": 1}}]
    slow = app_with(response=None, cases=cases, many=None, on_failure=None).test_client()
    assert {"predictions": [0, 0]} == slow.post("/?at=x", json={"instances": [ROW, ROW]}).json


def test_a_label_of_a_regression_is_a_located_error_reported_with_those_of_other_routes(tmp_path: Path) -> None:
    joblib.dump(LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0]), tmp_path / "line.joblib")
    model = {
        "file": "line.joblib",
        "input": {"type": "object", "required": ["a"], "properties": {"a": {"type": "number"}}},
    }
    (tmp_path / "models.yaml").write_text(json.dumps({"models": {"line": model}}))
    (tmp_path / "routes.yaml").write_text("""routes:
  - {path: /a, model: line, response: {json: "${label}"}}
  - {path: /b, model: line, response: {json: "${result.x}"}}
""")
    with pytest.raises(SpecError) as error:
        open_service(tmp_path / "routes.yaml")
    assert [
        (2, 47, '"label": the model "line" is no classifier, and has no labels; use ${result}'),
        (3, 47, '"result" is a number, so it has no "x"; write "result"'),
    ] == [(one.place.line, one.place.column, one.message) for one in error.value.diagnostics]


def test_the_openapi_document_has_what_answers_instead(app_with: App) -> None:
    document = app_with().test_client().get("/openapi.json").json
    content = document["paths"]["/"]["post"]["responses"]["503"]["content"]
    declared = {"for": {"type": "number"}, "at": {"type": "string"}}
    assert declared == {
        name: {"type": part["type"]} for name, part in content["application/json"]["schema"]["properties"].items()
    }
    assert "application/problem+json" in content
