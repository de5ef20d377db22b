"""Whatever shaped routes `check` passes, no request gets 500, and each answer is the estimator's, filled by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import joblib
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from modelling import NAMES

from engine.errors import SpecError
from engine.flask_app import App
from engine.handling import build_handler
from engine.models import Predictor, compile_models
from engine.spec import load_spec

SPECIES = ("setosa", "versicolor", "virginica")
NUMBER = {"type": "number"}
INPUT = {"type": "object", "required": [*NAMES[:3]], "properties": dict.fromkeys(NAMES, NUMBER)}
INPUT["properties"] = {**INPUT["properties"], "petal_width": {"type": "number", "default": 1.3, "maximum": 9}}
MODELS = {"iris": {"file": "build/model.pkl", "input": INPUT, "output": {"labels": [*SPECIES], "probabilities": True}}}
PLACES = ("query", "headers", "cookies", "body")
SHOWN = {
    "label": "${label}",
    "text": "${result}: ${label}",
    "p": "${probability.virginica}",
    "all": "${probability}",
    "model": "${model.name}",
}
CONDITIONS: Mapping[str, Any] = {
    "label": {"label": "setosa"},
    "result": {"result": {"enum": [1, 2]}},
    "chance": {"probability.versicolor": {"minimum": 0.4}},
    "not": {"not": {"any": [{"label": "virginica"}, {"probability.setosa": {"exclusiveMaximum": 0.1}}]}},
}


@st.composite
def routes(draw: st.DrawFn) -> dict[str, Any]:
    """A route whose features come from anywhere, required or not, and whose cases show anything of the answer."""
    declared: dict[str, Any] = {place: {"type": "object", "properties": {}, "required": []} for place in PLACES}
    instance: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=3)):
        place = draw(st.sampled_from(PLACES))
        public = f"X-{name.replace('_', '-')}" if place == "headers" else name[::-1]
        declared[place]["properties"][public] = draw(st.sampled_from([NUMBER, {"type": "integer"}, {}]))
        if draw(st.booleans()) or draw(st.booleans()):
            declared[place]["required"].append(public)
        default = draw(st.sampled_from(["", "", "", ":-2", ":-x"]))
        instance[name] = f"${{{place}.{public}{default}}}"
    if draw(st.integers(0, 4)) == 0:
        instance[draw(st.sampled_from(NAMES))] = draw(st.sampled_from([3, 2.5, "x", None]))
    shown = draw(st.lists(st.sampled_from([*SHOWN]), unique=True, min_size=1))
    route: dict[str, Any] = {"path": "/", "model": "iris", "instance": instance}
    route |= {place: declared[place] for place in PLACES[:3]}
    route |= {"input": declared["body"]} if declared["body"]["properties"] or draw(st.booleans()) else {}
    if "input" in route:
        route["input"]["properties"]["id"] = {}
    route["cases"] = [
        {"when": CONDITIONS[name], "response": {"json": {"case": name, **{key: SHOWN[key] for key in shown}}}}
        for name in draw(st.lists(st.sampled_from([*CONDITIONS]), unique=True))
    ]
    route["cases"].append({"response": {"json": {"case": "", **{key: SHOWN[key] for key in shown}}}})
    return route


VALUES = st.one_of(
    st.integers(0, 8),
    st.floats(0, 8).map(lambda one: round(one, 2)),
    st.sampled_from(["x", "", None, 10**30, [1], True]),
)


@st.composite
def sends(draw: st.DrawFn, route: dict[str, Any]) -> dict[str, Any]:
    """What is sent at each place: mostly what is declared."""
    sent: dict[str, Any] = {}
    for place in PLACES:
        names = route.get("input" if place == "body" else place, {}).get("properties", {})
        left_out = draw(st.sampled_from([None, *names]))
        usual = st.floats(0, 8).map(lambda one: round(one, 2)) | st.integers(0, 8)
        values = VALUES if draw(st.integers(0, 3)) == 0 else usual
        sent[place] = {name: draw(values) for name in names if name != left_out or draw(st.booleans())}
    return sent


def text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, iris_file: Path) -> Path:
    made = tmp_path_factory.mktemp("properties")
    (made / "build").symlink_to(iris_file.parent)
    (made / "models.yaml").write_text(json.dumps({"models": MODELS}))
    return made


@pytest.fixture(scope="module")
def predictors(folder: Path) -> Mapping[str, Predictor]:
    (folder / "routes.yaml").write_text('{"routes": [{"path": "/", "model": "iris"}]}')
    return compile_models(load_spec(folder / "routes.yaml"))


@pytest.fixture(scope="module")
def forest(folder: Path) -> Any:
    return joblib.load(folder / "build" / "model.pkl")


def resolve(reference: Any, sent: Mapping[str, Any]) -> Any:
    """The value of a feature by hand; None where it is absent."""
    if not isinstance(reference, str):
        return reference
    name, _, default = reference[2:-1].partition(":-")
    place, _, key = name.partition(".")
    return sent[place].get(key, float(default) if default else None)


def answer_by_hand(route: Mapping[str, Any], sent: Mapping[str, Any], forest: Any) -> dict[str, Any]:
    features = {name: resolve(value, sent) for name, value in route["instance"].items()}
    row = [[1.3 if (value := features.get(name)) is None else float(value) for name in NAMES]]
    (number,), (chances,) = forest.predict(row), forest.predict_proba(row)
    label = SPECIES[number]
    holds = {
        "label": label == "setosa",
        "result": number in (1, 2),
        "chance": chances[1] >= 0.4,
        "not": not (label == "virginica" or chances[0] < 0.1),
        "": True,
    }
    case = next(one["response"]["json"] for one in route["cases"] if holds[one["response"]["json"]["case"]])
    filled = {
        "label": label,
        "text": f"{number}: {label}",
        "p": pytest.approx(chances[2], abs=1e-12),
        "all": dict(zip(SPECIES, (pytest.approx(one, abs=1e-12) for one in chances), strict=True)),
        "model": "iris",
    }
    return {key: filled.get(key, case["case"]) for key in case}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_passes_check_is_never_500_and_says_what_the_estimator_says(
    data: st.DataObject, folder: Path, predictors: Mapping[str, Predictor], forest: Any
) -> None:
    route = data.draw(routes())
    (folder / "routes.yaml").write_text(json.dumps({"routes": [route]}))
    try:
        spec = load_spec(folder / "routes.yaml")
        client = App(build_handler(spec, predictors)).test_client(use_cookies=False)
    except SpecError:
        return
    for _ in range(4):
        sent = data.draw(sends(route))
        headers = {name: quote(text(value), safe="") for name, value in sent["headers"].items()}
        headers |= {"Cookie": "; ".join(f"{key}={quote(text(one))}" for key, one in sent["cookies"].items())}
        query = urlencode({key: text(one) for key, one in sent["query"].items()})
        answer = client.post(f"/?{query}", headers=headers, json=sent["body"])
        assert answer.status_code in (200, 422), answer.text
        plain = all(type(one) in (int, float) and one < 10 for place in PLACES for one in sent[place].values())
        if answer.status_code == 200 and plain:
            wanted = answer_by_hand(route, sent, forest)
            assert wanted == answer.json
            if "input" in route:
                batch = client.post(f"/?{query}", headers=headers, json={"instances": [sent["body"]] * 2})
                assert (200, {"predictions": [wanted] * 2}) == (batch.status_code, batch.json)
