"""MLflow's, Databricks' and SageMaker's clients, each in an environment of its own, ask a real server."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import pytest
from client_environments import ask_with
from modelling import NAMES
from serving import Server, serving
from wire_models import PEOPLE, write_wire_service

KEY = "ci-0123456789abcdef"

pytestmark = pytest.mark.exhaustive


def serve(folder: Path, service: dict[str, Any]) -> Any:
    write_wire_service(folder, service)
    return serving(folder, "-w", "1", environment={**os.environ, "ENGINE_TEST_KEY": KEY})


@pytest.fixture(scope="module")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    service = {"protocols": {"mlflow": {"model": "people"}, "sagemaker": {"model": "people"}}}
    with serve(tmp_path_factory.mktemp("mlflow"), service) as running:
        yield running


@pytest.fixture(scope="module")
def sagemaker_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("sagemaker"), {"protocols": {"sagemaker": {"model": "species"}}}) as running:
        yield running


def test_clients_of_mlflow_get_what_the_estimator_answers(mlflow_server: Server) -> None:
    found = ask_with("mlflow", str(mlflow_server.port), KEY)
    rows = PEOPLE.iloc[[0, 3]].assign(score=[float("nan"), 2.0])
    both = joblib.load(mlflow_server.folder / "people.pkl").predict(rows).tolist()
    for way in ("frame", "frame with more columns"):
        assert both == found[way], way
    for way in ("csv", "records"):
        assert {"predictions": both} == found[way], way
    for way in ("array", "columns", "rows"):
        assert both[1:] == found[way], way
    assert {"predictions": both[1:]} == found["databricks"]
    assert "3.17.2" == found["version"]


def test_clients_of_mlflow_show_what_is_wrong(mlflow_server: Server) -> None:
    found = ask_with("mlflow", str(mlflow_server.port), KEY)
    said = "; ".join(f"#/dataframe_split/data/{row}/1: 3.5 must be an integer" for row in (0, 1))
    written = json.dumps({"error_code": "BAD_REQUEST", "message": f"2 violations: {said}"}, separators=(",", ":"))
    assert f"Invocation failed (error code 422, response: {written}\n)" == found["part"]
    assert r"there is no column \"plan\" (the columns are: age, member, score)" in found["column"]
    assert "the body has no instances; send them as" in found["databricks refused"]


def test_the_token_of_databricks_is_an_api_key(tmp_path: Path) -> None:
    """MLflow's own client sends no key, so only the path of Databricks is asked."""
    service = {
        "auth": {"api_keys": [{"name": "ci", "env": "ENGINE_TEST_KEY"}]},
        "protocols": {"mlflow": {"model": "people"}},
    }
    with serve(tmp_path, service) as server:
        found = ask_with("mlflow", str(server.port), KEY, "databricks")
        assert ["predictions"] == list(found["databricks"])
        found = ask_with("mlflow", str(server.port), "another", "databricks")
        assert "unknown API key" in found["databricks"]


def test_boto3_gets_what_the_estimator_answers(sagemaker_server: Server) -> None:
    found = ask_with("sagemaker", f"http://127.0.0.1:{sagemaker_server.port}")
    rows = pd.DataFrame([[5.9, 3.0, 5.1, 1.8], [7.9, 2.8, 4.0, 1.3]], columns=list(NAMES))
    expected = joblib.load(sagemaker_server.folder / "species.pkl").predict(rows).tolist()
    lines = ["text/csv; charset=utf-8", "".join(f"{one}\n" for one in expected)]
    written = ["application/json", json.dumps({"predictions": expected}, separators=(",", ":")) + "\n"]
    assert [lines] * 3 == [found[way] for way in ("csv", "csv with header", "json, csv out")]
    assert [written] * 2 == [found[way] for way in ("csv, json out", "no type")]
    assert ["application/json", json.dumps(expected, separators=(",", ":")) + "\n"] == found["list"]
    said = "1 violation: line 1, sepal_length: 9 is greater than the maximum of 7.9"
    assert [422, said] == found["refused"]
    assert [415, 'Content-Type is "application/x-npy"; send application/json or text/csv'] == found["type"]
