"""A model of arrays of any length: a client chooses how many columns there are, and pays for each with a value."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from apps import build_app
from flask.testing import FlaskClient

from engine.spec import load_spec

SPEC = """
service: {protocols: [v2], limits: {instances: 100}}
routes: [{path: /any, model: any}]
"""
MODELS = """
models:
  any:
    file: later.pkl
    stand_in: true
    input: {type: array, items: {type: [number, string]}}
    examples: [{input: [1, 2], result: 3}, {input: [a], result: 4}]
"""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    folder: Path = tmp_path_factory.mktemp("arrays")
    (folder / "routes.yaml").write_text(SPEC)
    (folder / "models.yaml").write_text(MODELS)
    return build_app(load_spec(folder / "routes.yaml")).test_client()


def ask(client: FlaskClient, shape: list[int], data: Any, datatype: str = "FP64") -> tuple[int, Any]:
    tensor = {"name": "x", "shape": shape, "datatype": datatype, "data": data}
    answer = client.post("/v2/models/any/infer", json={"inputs": [tensor]})
    return answer.status_code, answer.json.get("error") or answer.json["outputs"][0]["data"]


def test_rows_of_any_length_are_instances(client: FlaskClient) -> None:
    assert (200, [3, 3]) == ask(client, [2, 2], [1, 2, 5, 6])
    assert (200, [4, 3]) == ask(client, [2, 1], ["a", "b"], "BYTES")
    assert (200, [3]) == ask(client, [1, 0], [])


def test_a_mistake_has_its_row_and_its_column(client: FlaskClient) -> None:
    assert (422, "1 violation: row 1, column 0: null must be a number or a string") == ask(client, [2, 1], [1, None])
    tensor = {"name": "x", "shape": [2, 2], "datatype": "FP64", "parameters": {"binary_data_size": 32}}
    head = json.dumps({"inputs": [tensor]})
    answer = client.post(
        "/v2/models/any/infer",
        data=head.encode() + struct.pack("<4d", 1, 2, 3, float("inf")),
        headers={"Inference-Header-Content-Length": str(len(head))},
    )
    assert "row 1 of column 1 is infinite; send a finite number" == answer.json["error"]


@pytest.mark.parametrize("datatype", ["BYTES", "FP64", "INT8", "BOOL"])
@pytest.mark.parametrize("shape", [[0, 2**40], [0, 2**62], [2**62, 0], [0, 0]])
def test_a_huge_shape_of_no_values_costs_nothing(client: FlaskClient, shape: list[int], datatype: str) -> None:
    status, said = ask(client, shape, [], datatype)
    if shape[0]:
        assert (422, f"there are {2**62:,} instances; at most 100 are allowed") == (status, said)
    else:
        assert (400, "there are no instances; send at least 1") == (status, said)
