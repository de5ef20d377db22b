"""A value that the schema allows and the model refuses is reported at its feature, however it was sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from engine import create_app
from engine.batch.scoring.record_batch import RecordBatch
from engine.batch.scoring.score import Scorer
from engine.models import compile_models
from engine.spec import load_spec

GOOD = {"signup": "2024-01-31", "size": 1.5, "town": "a"}
BAD = {"signup": "soon", "size": 2**53 + 1, "town": "elsewhere"}
REASONS = {
    "signup": 'signup must be a date or time such as 2024-01-31 or 2024-01-31T12:00:00, not "soon"',
    "size": "size is a float for the model, and no float is exactly 9007199254740993",
    "town": ("the model rejected this instance: Found unknown categories ['elsewhere'] in \"town\" during transform"),
}
SERVED = {
    "type": "object",
    "required": ["signup", "town"],
    "properties": {"signup": {"type": "string"}, "size": {"type": "number"}, "town": {"type": "string"}},
}


def month(frame: Any) -> Any:
    return frame.assign(signup=frame["signup"].dt.month)


def app_of(folder: Path, models: Mapping[str, Any], *routes: Mapping[str, Any]) -> Any:
    (folder / "models.yaml").write_text(json.dumps({"models": models}))
    (folder / "routes.yaml").write_text(json.dumps({"routes": routes}))
    return create_app(folder / "routes.yaml").test_client()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("refusals")
    days = pd.date_range("2024-01-01", periods=12, freq="MS")
    frame = pd.DataFrame({"signup": days, "size": np.arange(12.0), "town": ["a", "b"] * 6})
    encoder = make_column_transformer((OneHotEncoder(), ["town"]), (FunctionTransformer(month), ["signup", "size"]))
    joblib.dump(make_pipeline(encoder, LinearRegression()).fit(frame, range(12)), folder / "model.pkl")
    numbers = np.arange(20.0).reshape(10, 2)
    joblib.dump(LinearRegression().fit(numbers, range(10)), folder / "numbers.pkl")
    return folder


@pytest.fixture(scope="module")
def client(folder: Path) -> Any:
    numbers = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
    models = {
        "m": {"file": "model.pkl", "input": SERVED, "dtypes": {"signup": "datetime"}},
        "numbers": {"file": "numbers.pkl", "input": numbers},
    }
    routes = [
        {"path": "/", "model": "m", "methods": ["GET", "POST"]},
        {"path": "/on/<signup>", "model": "m"},
        {"path": "/numbers", "model": "numbers"},
    ]
    return app_of(folder, models, *routes)


def errors(answer: Any) -> list[tuple[str, str]]:
    assert 422 == answer.status_code, answer.text
    return [(one["pointer"], one["detail"]) for one in answer.json["errors"]]


@pytest.mark.parametrize("name", BAD)
def test_a_refused_value_is_pointed_at(name: str, client: Any) -> None:
    bad = {**GOOD, name: BAD[name]}
    assert [(f"#/{name}", REASONS[name])] == errors(client.post("/", json=bad))
    assert [(f"#/instances/1/{name}", REASONS[name])] == errors(client.post("/", json={"instances": [GOOD, bad]}))
    assert [(f"#/{name}", REASONS[name])] == errors(client.get("/", query_string=bad))


@pytest.mark.parametrize("name", BAD)
def test_a_refused_value_of_a_row_is_pointed_at(name: str, client: Any) -> None:
    rows = [GOOD, {**GOOD, name: BAD[name]}]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    answer = client.post("/", data=lines, content_type="application/x-ndjson")
    assert [(f"#/instances/1/{name}", f"line 2: {REASONS[name]}")] == errors(answer)
    table = pd.DataFrame(rows, dtype=object).to_csv(index=False)
    answer = client.post("/", data=table, content_type="text/csv")
    assert [(f"#/instances/1/{name}", f"line 3: {REASONS[name]}")] == errors(answer)


def test_a_refused_value_of_the_path_is_pointed_at_as_one_that_the_schema_refuses(client: Any) -> None:
    rest = {"size": 1.5, "town": "a"}
    assert [("#/signup", REASONS["signup"])] == errors(client.post("/on/soon", json=rest))
    assert [("#/instances/0/signup", REASONS["signup"])] == errors(client.post("/on/soon", json={"instances": [rest]}))


def test_a_refused_item_is_pointed_at(client: Any) -> None:
    reason = "item 1 is a float for the model, and no float is exactly 9007199254740993"
    assert [("#/1", reason)] == errors(client.post("/numbers", json=[1, 2**53 + 1]))
    assert [("#/instances/1/1", reason)] == errors(
        client.post("/numbers", json={"instances": [[1, 2], [1, 2**53 + 1]]})
    )


@pytest.mark.parametrize("name", BAD)
def test_a_bad_row_names_the_column_of_a_refused_value(name: str, client: Any, folder: Path) -> None:  # noqa: ARG001
    spec = load_spec(folder / "routes.yaml")
    bad = {**GOOD, name: BAD[name]}
    batch = RecordBatch({key: [GOOD[key], bad[key]] for key in GOOD}, 2)
    (found,) = Scorer(spec.models["m"], compile_models(spec)["m"])(batch).bad
    assert (1, name, BAD[name], REASONS[name]) == (found.row, found.column, found.value, found.reason)
