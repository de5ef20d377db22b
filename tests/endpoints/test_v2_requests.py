"""What the Open Inference Protocol's requests are answered, and what is said of those that are wrong."""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from apps import build_app
from flask.testing import FlaskClient
from wire_models import write_wire_service

from engine.endpoints import ServiceState
from engine.endpoints.monitoring.health import Status
from engine.endpoints.monitoring.metrics import Meter
from engine.spec import load_spec

ROWS = np.array([[5.9, 3.0, 5.1, 1.8], [7.9, 2.8, 4.0, 1.3]])
NAMES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
LENGTH = "Inference-Header-Content-Length"
FEATURES = (
    "send one tensor of shape [n] or [n, 1] for each feature, or a single one of shape [n, 4] under another name; "
    "the features are: sepal_length, sepal_width, petal_length, petal_width"
)

KINDS = "send one of BOOL, INT8, INT16, INT32, INT64, UINT8, UINT16, UINT32, UINT64, FP16, FP32, FP64, BYTES"
BEHIND = (
    "there are none behind the JSON; send them there, and the length of the JSON as Inference-Header-Content-Length"
)
WRONG = (
    "4 violations: row 0, sepal_length: 8.5 is greater than the maximum of 7.9; "
    "row 1, sepal_width: null must be a number; row 1, petal_length: null must be a number; "
    "row 1, petal_width: -1.0 is less than the minimum of 0"
)

Ask = Callable[..., tuple[int, Any]]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    folder = tmp_path_factory.mktemp("wires")
    write_wire_service(folder, {"title": "Wires", "version": "1.2.3", "protocols": ["v2"], "model_header": True})
    return build_app(load_spec(folder / "routes.yaml")).test_client()


@pytest.fixture
def ask(client: FlaskClient) -> Ask:
    """Ask a model by JSON; the status, and the whole answer or what is said of an error."""

    def asked(model: str, *inputs: Any, **more: Any) -> tuple[int, Any]:
        answer = client.post(f"/v2/models/{model}/infer", json={"inputs": list(inputs), **more})
        return answer.status_code, answer.json if answer.status_code == 200 else answer.json["error"]

    return asked


def tensor(data: Any, shape: Any = (2, 4), datatype: Any = "FP64", name: Any = "rows", **more: Any) -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": datatype, "data": data, **more}


def post(client: FlaskClient, head: Any, tail: bytes = b"", **headers: str) -> tuple[int, Any]:
    text = json.dumps(head).encode()
    answer = client.post("/v2/models/species/infer", data=text + tail, headers={LENGTH: str(len(text)), **headers})
    return answer.status_code, answer.json if answer.is_json else answer


BINARY = {"name": "rows", "shape": [2, 4], "datatype": "FP64", "parameters": {"binary_data_size": 64}}


def results(answer: Any) -> dict[str, Any]:
    return {one["name"]: one["data"] for one in answer["outputs"]}


def test_all_outputs_are_answered_unless_some_are_asked_for(client: FlaskClient, ask: Ask) -> None:
    status, said = ask("species", tensor(ROWS.tolist()), id="7")
    version = client.get("/v2/models/species").json["versions"][0]
    assert {"model_name": "species", "model_version": version, "id": "7"} == {k: said[k] for k in list(said)[:3]}
    assert (200, ["model_name", "model_version", "id", "outputs"]) == (status, list(said))
    assert [
        {"name": "predict", "shape": [2], "datatype": "INT64", "data": [2, 1]},
        {"name": "predict_proba", "shape": [2, 3], "datatype": "FP64", "data": [0.0, 0.0, 1.0, 0.0, 1.0, 0.0]},
        {"name": "labels", "shape": [2], "datatype": "BYTES", "data": ["virginica", "versicolor"]},
    ] == said["outputs"]
    _, said = ask("species", tensor(ROWS.tolist()), outputs=[{"name": "labels"}, {"name": "output-0"}])
    assert {"labels": ["virginica", "versicolor"], "output-0": [2, 1]} == results(said)
    for content_type in ("np", "str"):
        _, said = ask("species", tensor(ROWS.tolist()), parameters={"content_type": content_type})
        assert ["predict"] == list(results(said))
    _, said = ask("species", tensor(ROWS.tolist()), parameters={"content_type": "pd", "mine": {"any": [1]}})
    assert ["predict", "predict_proba", "labels"] == list(results(said))


def test_an_id_is_made_for_a_request_without_one(ask: Ask) -> None:
    ids = {ask("line", tensor([1.0], [1]))[1]["id"] for _ in range(3)}
    assert 3 == len(ids)
    assert {36} == set(map(len, ids))


def test_the_header_names_the_model_where_the_service_says_so(client: FlaskClient) -> None:
    answer = client.post("/v2/models/line/infer", json={"inputs": [tensor([1.0], [1])]})
    version = client.get("/v2/models/line").json["versions"][0]
    assert f"line@{version}" == answer.headers["X-Model"]
    assert version == answer.json["model_version"]


@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_an_object_may_come_as_a_tensor_for_each_feature(ask: Ask, shape: tuple[int, ...]) -> None:
    """In any order; numbers that are the same in float32 are the same for the bound of 7.9."""
    columns = [
        tensor([[one] for one in ROWS[:, place].astype("f4").tolist()], list(shape), "FP32", name)
        for place, name in reversed(list(enumerate(NAMES)))
    ]
    status, said = ask("species", *columns)
    assert (200, [2, 1]) == (status, results(said)["predict"])


def test_null_and_nan_leave_an_optional_feature_out(client: FlaskClient, ask: Ask) -> None:
    fixed = [
        tensor(["a", "b"], [2], "BYTES", "plan"),
        tensor([20, 50], [2], "INT64", "age"),
        tensor([True, False], [2], "BOOL", "member"),
    ]
    _, without = ask("people", *fixed)
    _, null = ask("people", *fixed, tensor([None, None], [2], "FP64", "score"))
    _, whole = ask("people", *fixed, tensor([None, 2.0], [2], "FP64", "score"))
    text = json.dumps({"inputs": [*fixed, tensor([float("nan"), 2.0], [2], "FP64", "score")]})
    assert "NaN" in text
    literal = client.post("/v2/models/people/infer", data=text).json
    assert results(without) == results(null)
    assert results(whole) == results(literal)
    assert results(whole) != results(null)
    alone = client.post("/people", json={"plan": "b", "age": 50, "score": 2.0, "member": False}).json
    assert alone["result"] == results(whole)["predict"][1:]
    assert [*alone["probabilities"][0].values()] == results(whole)["predict_proba"][2:]


def test_what_is_wrong_with_instances_is_said_by_row_and_feature(ask: Ask) -> None:
    assert (422, WRONG) == ask("species", tensor([[8.5, 1, 1, 1], [1, None, None, -1]]))
    assert (422, "1 violation: row 1, column 2: null must be a number") == ask(
        "same", tensor([1, 2, 3, 4, 5, None], [2, 3])
    )
    assert (422, "1 violation: row 0: 1 must be a string") == ask("mood", tensor([1], [1], "INT8"))


def test_a_tensor_of_another_kind_than_its_feature_is_told_once(ask: Ask) -> None:
    """Texts that are JSON may be numbers: so are pandas' columns of several types sent."""
    plan, member = tensor(["a", "b"], [2], "BYTES", "plan"), tensor([True, False], [2], "BOOL", "member")
    as_text = tensor(["20", "50"], [2], "BYTES", "age")
    said = 'the tensor "age" is BYTES, and the feature is a number; send FP64 or INT64'
    assert (422, said) == ask("people", plan, as_text, member)
    said = 'the tensor "plan" is INT64, and the feature is a text; send BYTES'
    assert (422, said) == ask("people", tensor([1, 2], [2], "INT64", "plan"), as_text, member)
    assert 200 == ask("people", plan, as_text | {"parameters": {"content_type": "pd_json"}}, member)[0]


def test_a_misspelt_feature_is_found(ask: Ask) -> None:
    lengths = [tensor([1.0], [1], name=name) for name in NAMES[1:]]
    _, said = ask("species", tensor([1.0], [1], name="sepal_lenght"), *lengths)
    assert said.startswith('"sepal_lenght" is not a feature (did you mean "sepal_length"?); send one tensor')


@pytest.mark.parametrize(
    ("model", "inputs", "said"),
    [
        ("species", [tensor([1] * 6, [2, 3])], f'"rows" of shape [2, 3] has 3 columns; {FEATURES}'),
        ("species", [tensor([1] * 4, [4])], f'"rows" is not a feature; the shape of one row is [1, 4]; {FEATURES}'),
        (
            "species",
            [tensor([1] * 4, [4], name="x"), tensor([1] * 4, [4])],
            f'"x" is not a feature; the shape of one row is [1, 4]; {FEATURES}',
        ),
        (
            "species",
            [tensor([1] * 2, [1, 2], name="petal_width")],
            f'"petal_width" of shape [1, 2] has 2 columns; {FEATURES}',
        ),
        (
            "species",
            [tensor([1], [1], name=name) for name in NAMES[:3]],
            f"there is no tensor for petal_width; {FEATURES}",
        ),
        (
            "species",
            [tensor([1], [1], name=name) for name in (*NAMES, NAMES[0])],
            f'there are two tensors "sepal_length"; {FEATURES}',
        ),
        (
            "species",
            [tensor([1] * (1 + (name == NAMES[1])), [1 + (name == NAMES[1])], name=name) for name in NAMES],
            "the tensors have different numbers of rows: sepal_length 1, sepal_width 2, petal_length 1, petal_width 1; "
            + FEATURES,
        ),
        ("species", [tensor([1] * 4, [1, 2, 2])], f'"rows" of shape [1, 2, 2] has 3 dimensions; {FEATURES}'),
        ("species", [tensor([1], [])], f'"rows" of shape [] has 0 dimensions; {FEATURES}'),
        ("same", [tensor([1, 2, 3], [3])], '"rows" of shape [3] has no columns; send one tensor of shape [n, 3]'),
        ("same", [tensor([1, 2], [1, 2])], '"rows" of shape [1, 2] has 2 columns; send one tensor of shape [n, 3]'),
        ("same", [tensor([1] * 3, [1, 3])] * 2, "there are 2 tensors; send one tensor of shape [n, 3]"),
        (
            "line",
            [tensor([1, 2], [1, 2])],
            '"rows" of shape [1, 2] has 2 columns; send one tensor of shape [n] or [n, 1], of values',
        ),
        (
            "mood",
            [tensor(["a", "b"], [1, 2], "BYTES")],
            '"rows" of shape [1, 2] has 2 columns; send one tensor of shape [n] or [n, 1], of texts, as BYTES',
        ),
    ],
)
def test_tensors_of_another_form_are_refused(ask: Ask, model: str, inputs: list[Any], said: str) -> None:
    assert (422, said) == ask(model, *inputs)


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (tensor([1] * 7), '"rows" has 7 values, but its shape [2, 4] has 8'),
        (tensor([1] * 8, [2**62, 2]), f'"rows" has 8 values, but its shape [{2**62}, 2] has {2**63:,}'),
        (tensor([[1] * 4, 1]), '"rows" has values beside lists of values; nest them as its shape says, or not at all'),
        (tensor(None), '"rows" has no data; send a list of values, or their bytes with binary_data_size'),
        (tensor("ab"), '"rows" has "ab" as its data; send a list of values, or their bytes with binary_data_size'),
        (tensor([1] * 7 + ["1"]), 'the value at index 7 of "rows" is "1", which FP64 cannot hold'),
        (tensor([1] * 7 + [True]), 'the value at index 7 of "rows" is true, which FP64 cannot hold'),
        (tensor([1] * 7 + [3e39], datatype="FP32"), 'the value at index 7 of "rows" is 3e+39, which FP32 cannot hold'),
        (tensor([1] * 7 + [65520], datatype="FP16"), 'the value at index 7 of "rows" is 65520, which FP16 cannot hold'),
        (tensor([1] * 7 + [1.5], datatype="INT64"), 'the value at index 7 of "rows" is 1.5, which INT64 cannot hold'),
        (tensor([1] * 7 + [128], datatype="INT8"), 'the value at index 7 of "rows" is 128, which INT8 cannot hold'),
        (tensor([1] * 7 + [-1], datatype="UINT64"), 'the value at index 7 of "rows" is -1, which UINT64 cannot hold'),
        (
            tensor([1] * 7 + [-(2**63) - 1], datatype="INT64"),
            'the value at index 7 of "rows" is -9.223372036854776e+18, which INT64 cannot hold',
        ),
        (tensor([1] * 7 + [2**53 + 1]), 'the value at index 7 of "rows" is 9007199254740993, which FP64 cannot hold'),
        (tensor([1] * 8, datatype="BOOL"), 'the value at index 0 of "rows" is 1, which BOOL cannot hold'),
        (tensor([1] * 8, datatype="BYTES"), 'the value at index 0 of "rows" is 1, which BYTES cannot hold'),
        (tensor([1] * 8, datatype="BF16"), f'"rows" has the datatype "BF16"; {KINDS}'),
        (tensor([1] * 8, None), '"rows" has no shape; send a list of lengths, such as [2, 4]'),
        (tensor([1] * 8, [-1, 4]), '"rows" has [-1, 4] as its shape; send a list of lengths, such as [2, 4]'),
        (tensor([1] * 8, [True, 8]), '"rows" has [true, 8] as its shape; send a list of lengths, such as [2, 4]'),
        (tensor([1] * 8, name=None), "inputs[0] has no name"),
        (7, "inputs[0] is no object, but 7"),
        (tensor([], [0, 4]), "there are no instances; send at least 1"),
        (tensor([1] * 8, parameters=[]), 'the parameters of "rows" are []; send an object'),
        (
            tensor([1] * 8, parameters={"binary_data_size": 3}),
            '"rows" has both data and binary_data_size; send one of them',
        ),
        (
            BINARY | {"parameters": {"binary_data_size": -1}},
            'binary_data_size of "rows" is -1; send the number of its bytes',
        ),
        (BINARY, f'"rows" has 64 bytes by its binary_data_size, but {BEHIND}'),
        (
            tensor(["1"] * 7 + ["{"], datatype="BYTES", parameters={"content_type": "pd_json"}),
            'the value at index 7 of "rows" is "{", which is not JSON, though its content_type says so',
        ),
    ],
)
def test_malformed_tensors_are_named(ask: Ask, sent: Any, said: str) -> None:
    assert (400, said) == ask("species", sent)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "the body is empty; send JSON"),
        (b"[]", 'the body is no object; send {"inputs": […]}, not []'),
        (b"{}", 'the body has no inputs; send {"inputs": [{"name": …, "shape": …, "datatype": …, "data": …}]}'),
        (b'{"id": 7, "inputs": [1]}', "id must be a string, not 7"),
        (b'{"inputs": [NaN]', "NaN is not JSON; send null (line 1, column 13)"),
    ],
)
def test_malformed_bodies_are_named(client: FlaskClient, body: bytes, said: str) -> None:
    answer = client.post("/v2/models/species/infer", data=body)
    assert (400, said) == (answer.status_code, answer.json["error"])


def test_outputs_are_named_as_they_are(ask: Ask) -> None:
    rows = tensor(ROWS.tolist())
    assert (400, "outputs is 7; send a list of objects with a name") == ask("species", rows, outputs=7)
    assert (400, "outputs[0] has no name") == ask("species", rows, outputs=[{}])
    assert (400, 'outputs names "labels" twice') == ask("species", rows, outputs=[{"name": "labels"}] * 2)
    unknown = 'there is no output "x"; the outputs are: predict, predict_proba, labels'
    assert (400, unknown) == ask("species", rows, outputs=[{"name": "x"}])
    assert (400, 'there is no output "labels"; the outputs are: transform') == ask(
        "same", tensor([1] * 3, [1, 3]), outputs=[{"name": "labels"}]
    )


def test_tails_are_taken_in_their_order(client: FlaskClient) -> None:
    columns = [{**BINARY, "name": name, "shape": [2], "parameters": {"binary_data_size": 16}} for name in NAMES]
    tail = ROWS.T.tobytes()
    status, said = post(client, {"inputs": columns}, tail)
    assert (200, [2, 1]) == (status, results(said)["predict"])
    left = {"error": "there is 1 byte more than the inputs take"}
    assert (400, left) == post(client, {"inputs": columns}, tail + b"x")
    lacking = {"error": '"petal_width" has 16 bytes by its binary_data_size, but only 15 are left'}
    assert (400, lacking) == post(client, {"inputs": columns}, tail[:-1])
    wrong = {"error": '"rows" has 64 bytes, but 9 values of FP64 take 72'}
    assert (400, wrong) == post(client, {"inputs": [BINARY | {"shape": [3, 3]}]}, tail)
    mixed = [columns[0], *[tensor(ROWS[:, place].tolist(), [2], name=name) for place, name in enumerate(NAMES)][1:]]
    assert [2, 1] == results(post(client, {"inputs": mixed}, tail[:16])[1])["predict"]


@pytest.mark.parametrize(
    ("length", "said"),
    [
        ("x", 'Inference-Header-Content-Length is "x"; send the number of bytes of the JSON'),
        ("-1", 'Inference-Header-Content-Length is "-1"; send the number of bytes of the JSON'),
        ("9999", "Inference-Header-Content-Length is 9,999, but the body has only 2 bytes"),
        ("0", "the body is empty; send JSON"),
        ("1", "the body is not JSON: unexpected end of data: line 1 column 2 (char 1)"),
    ],
)
def test_a_wrong_length_of_the_json_is_named(client: FlaskClient, length: str, said: str) -> None:
    answer = client.post("/v2/models/species/infer", data=b"{}", headers={LENGTH: length})
    assert (400, said) == (answer.status_code, answer.json["error"])


def texts(*values: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(one)) + one for one in values)


@pytest.mark.parametrize(
    ("tail", "said"),
    [
        (texts(b"good day", b"bad")[:-1], '"rows" ends within its text 1'),
        (texts(b"good day") + b"\1\0\0", '"rows" ends within its text 1'),
        (texts(b"good", b"\xff"), 'text 1 of "rows" is not UTF-8'),
        (texts(b"good"), 'the shape of "rows" has 2 values, but its bytes have only 1'),
        (texts(b"good", b"bad", b""), 'the shape of "rows" has 2 values, but its bytes have more'),
    ],
)
def test_broken_texts_are_named(client: FlaskClient, tail: bytes, said: str) -> None:
    sent = {"name": "rows", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": len(tail)}}
    text = json.dumps({"inputs": [sent]}).encode()
    answer = client.post("/v2/models/mood/infer", data=text + tail, headers={LENGTH: str(len(text))})
    assert (400, said) == (answer.status_code, answer.json["error"])


def test_outputs_are_binary_where_that_is_asked(client: FlaskClient) -> None:
    wanted = [{"name": "labels", "parameters": {"binary_data": True}}, {"name": "predict"}]
    _, answer = post(client, {"inputs": [tensor(ROWS.tolist())], "outputs": wanted})
    length = int(answer.headers[LENGTH])
    said = json.loads(answer.data[:length])
    assert "application/octet-stream" == answer.headers["Content-Type"]
    assert {"binary_data_size": 27} == said["outputs"][0]["parameters"]
    assert [2, 1] == said["outputs"][1]["data"]
    assert texts(b"virginica", b"versicolor") == answer.data[length:]
    wanted = [{"name": "predict", "parameters": {"binary_data": False}}, {"name": "predict_proba"}]
    parameters = {"binary_data_output": True}
    _, answer = post(client, {"inputs": [tensor(ROWS.tolist())], "outputs": wanted, "parameters": parameters})
    assert np.array([[0, 0, 1], [0, 1, 0]], "<f8").tobytes() == answer.data[int(answer.headers[LENGTH]) :]


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_the_length_counts_the_decoded_json(client: FlaskClient, coding: str, pack: Callable[[bytes], bytes]) -> None:
    text = json.dumps({"inputs": [BINARY]}).encode()
    headers = {LENGTH: str(len(text)), "Content-Encoding": coding}
    answer = client.post("/v2/models/species/infer", data=pack(text + ROWS.tobytes()), headers=headers)
    assert [2, 1] == results(answer.json)["predict"]


def test_another_version_is_not_found(client: FlaskClient) -> None:
    version = client.get("/v2/models/line").json["versions"][0]
    said = {"error": f'line has no version "1"; its version is {version}'}
    body = {"inputs": [tensor([1.0], [1])]}
    for path in ("", "/ready"):
        assert 200 == client.get(f"/v2/models/line/versions/{version}{path}").status_code
        assert (404, said) == ((answer := client.get(f"/v2/models/line/versions/1{path}")).status_code, answer.json)
    assert 200 == client.post(f"/v2/models/line/versions/{version}/infer", json=body).status_code
    assert said == client.post("/v2/models/line/versions/1/infer", json=body).json


def test_health_and_metadata_are_what_clients_parse(client: FlaskClient) -> None:
    server = {"name": "Wires", "version": "1.2.3", "extensions": ["binary_tensor_data"]}
    assert server == client.get("/v2").json == client.get("/v2/").json
    assert {"live": True} == client.get("/v2/health/live").json
    assert {"ready": True} == client.get("/v2/health/ready").json
    assert {"name": "same", "ready": True} == client.get("/v2/models/same/ready").json
    assert {"models": ["species", "same", "line", "mood", "people"]} == client.get("/v2/models").json
    version = client.get("/v2/models/same").json["versions"][0]
    assert {
        "name": "same",
        "versions": [version],
        "platform": "engine_numpy",
        "inputs": [{"name": "input-0", "datatype": "FP64", "shape": [-1, 3]}],
        "outputs": [{"name": "transform", "datatype": "FP64", "shape": [-1, 3]}],
    } == client.get("/v2/models/same").json
    index = client.post("/v2/repository/index").json
    assert {"name": "same", "version": version, "state": "READY", "reason": ""} == index[1]
    assert 5 == len(index)
    inputs = {name: client.get(f"/v2/models/{name}").json["inputs"] for name in ("line", "mood")}
    assert {"line": "FP64", "mood": "BYTES"} == {name: one[0]["datatype"] for name, one in inputs.items()}


def test_readiness_ends_when_the_service_stops(tmp_path: Any) -> None:
    write_wire_service(tmp_path, {"protocols": ["v2"]})
    process = ServiceState(lambda: Status(ready=False, document={}), dict, Meter())
    stopping = build_app(load_spec(tmp_path / "routes.yaml"), process=process).test_client()
    for path in ("/v2/health/ready", "/v2/models/line/ready"):
        answer = stopping.get(path)
        assert (503, {"error": "the service is stopping"}) == (answer.status_code, answer.json)
        assert ("application/json", "1") == (answer.headers["Content-Type"], answer.headers["Retry-After"])
    assert {"live": True} == stopping.get("/v2/health/live").json
