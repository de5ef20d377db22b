"""What `check` says of routes that shape a model's answer: which cases the model's examples get, and what these are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from modelling import NAMES, OBJECT

from engine.commands import cli
from engine.endpoints.shaped import ShapedEndpoint
from engine.handling import open_service
from engine.handling.route_trials import describe_trial, try_routes

ROWS = ((5.1, 3.5, 1.4, 0.2), (6.1, 2.8, 4.0, 1.3), (5.9, 3.0, 5.1, 1.8))
EXAMPLES = [{"input": dict(zip(NAMES, row, strict=True)), "result": number} for number, row in enumerate(ROWS)]
MODELS = {"iris": {"file": "build/model.pkl", "input": OBJECT, "examples": EXAMPLES}}
ROUTES = """routes:
  - path: /nested/<float:wide>/<name>
    model: iris
    query: {required: [long, page], properties: {long: {type: number}, page: {type: integer}}}
    headers: {properties: {X-Petal: {type: number}}, required: [X-Petal]}
    input:
      type: object
      required: [id, petal]
      properties: {id: {type: string, minLength: 1}, petal: {type: array, minItems: 2, items: {type: number}}}
    instance:
      sepal_length: "${query.long}"
      sepal_width: "${path.wide}"
      petal_length: "${headers.X-Petal}"
      petal_width: "${body.petal.1}"
    cases:
      - when: {result: 0}
        response: {json: {first: 1}}
      - response: {json: [2]}
  - path: /own/<petal_width>
    model: iris
    many: false
    cases:
      - when: {result: {minimum: 1}}
        response: {status: 201, text: "${result}"}
      - response: {status: 202}
  - {path: /get, model: iris, methods: [GET], response: {json: "${result}"}, query: {properties: {page: {}}}}
  - path: /narrow
    model: iris
    input: &narrow {type: object, required: [w], properties: {w: {type: number, maximum: 1.5}}}
    instance: {sepal_length: 5.9, sepal_width: 3.0, petal_length: 5.1, petal_width: "${body.w}"}
  - path: /template
    model: iris
    many: false
    input: {type: object, required: [w], properties: {w: {type: number}}}
    instance: {sepal_length: "${body.w}", sepal_width: "${body.w}", petal_length: 1, petal_width: 2}
    response: {text: hello}
"""


@pytest.fixture
def spec(spec_folder: Path) -> Path:
    (spec_folder / "routes.yaml").write_text(ROUTES)
    (spec_folder / "models.yaml").write_text(json.dumps({"models": MODELS}))
    return spec_folder


WANTED = [
    "POST /nested/<float:wide>/<name>: 200 {first} or 200 json; examples: case 1 ×1, case 2 ×2",
    "POST /own/<petal_width>: 201 text or 202; examples: case 1 ×2, case 2 ×1",
    "GET /get: 200 json",
    "POST /narrow: 200 with the model's own answer",
    "POST /template: 200 text",
]
REFUSED = "example 3 of the model, sent to this route, gets 422: #/w: 1.8 is greater than the maximum of 1.5"


def test_each_example_is_sent_where_its_features_are_read(spec: Path) -> None:
    trials = try_routes(open_service(spec / "routes.yaml")[0])
    assert WANTED == [describe_trial(trial) for trial in trials]
    (found,) = [mistake for trial in trials for mistake in trial.mistakes]
    assert ("warning", 30, REFUSED) == (found.severity, found.place.line, found.message)


@pytest.mark.usefixtures("in_place")
def test_check_prints_what_routes_have_answered(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(spec)
    run: Callable[..., str] = lambda *arguments: CliRunner().invoke(cli, ["check", *arguments]).stdout  # noqa: E731
    assert "\n".join([*WANTED, "", "5 routes, 1 model: ok", ""]) in run()
    found = json.loads(run("--json"))
    assert {"route": "GET /get", "answers": ["200 json"], "examples": {"1": 3}} == found["answers"][2]
    assert [REFUSED] == [one["message"] for one in found["diagnostics"]]


def test_an_example_that_the_service_fails_on_is_an_error(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(ShapedEndpoint, "choose_case", fail)
    first = try_routes(open_service(spec / "routes.yaml")[0])[0].mistakes[0]
    says = "example 1 of the model, sent to this route, gets 500: ZeroDivisionError: by nothing"
    assert ("error", 11, says) == (first.severity, first.place.line, first.message)
