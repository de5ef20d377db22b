"""Tensors that numpy makes come out of a model that changes nothing as the same values, and no bytes are a failure."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest
from apps import build_app
from flask.testing import FlaskClient
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from wire_models import write_wire_service

from engine.spec import load_spec

Client = FlaskClient
DTYPES = {
    "INT8": "<i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "UINT8": "<u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
EXACT = 2**53  # the model takes floats, and larger integers are refused rather than rounded
MANY = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Client:
    folder = tmp_path_factory.mktemp("wires")
    write_wire_service(folder, {"protocols": ["v2"]})
    return build_app(load_spec(folder / "routes.yaml")).test_client()


def post(client: Client, model: str, head: Any, tail: bytes = b"") -> tuple[int, Any, bytes]:
    """The status of an answer, its JSON, and the bytes behind that."""
    text = json.dumps(head).encode()
    answer = client.post(
        f"/v2/models/{model}/infer", data=text + tail, headers={"Inference-Header-Content-Length": str(len(text))}
    )
    length = int(answer.headers.get("Inference-Header-Content-Length", len(answer.data)))
    return answer.status_code, json.loads(answer.data[:length]), answer.data[length:]


def binary(cells: np.ndarray[Any, Any], datatype: str, name: str = "x") -> dict[str, Any]:
    size = cells.nbytes
    return {"name": name, "shape": list(cells.shape), "datatype": datatype, "parameters": {"binary_data_size": size}}


def expected(cells: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Narrow floats as the shortest text that is the same number in their own dtype; numpy writes these."""
    if cells.dtype.kind == "f" and cells.dtype.itemsize < 8:
        return np.array([float(str(cell)) for cell in cells.reshape(-1)]).reshape(cells.shape)
    return cells.astype(np.float64)


@st.composite
def tensors(draw: st.DrawFn) -> tuple[str, np.ndarray[Any, Any]]:
    datatype = draw(st.sampled_from(sorted(DTYPES)))
    if datatype.startswith("FP"):
        elements = arrays.from_dtype(np.dtype(DTYPES[datatype]), allow_nan=False, allow_infinity=False)
    else:
        held = np.iinfo(DTYPES[datatype])
        elements = st.integers(max(int(held.min), -EXACT), min(int(held.max), EXACT))
    rows = draw(st.integers(1, 20))
    return datatype, draw(arrays.arrays(DTYPES[datatype], (rows, 3), elements=elements))


@MANY
@given(tensor=tensors(), asks_binary=st.booleans(), is_nested=st.booleans())
@example(tensor=("FP32", np.array([[7.9, 0.1, -0.0]], "<f4")), asks_binary=True, is_nested=False)
@example(tensor=("UINT64", np.array([[EXACT, EXACT - 1, 0]], "<u8")), asks_binary=False, is_nested=True)
def test_numbers_come_out_as_the_same(
    client: Client, tensor: tuple[str, np.ndarray[Any, Any]], asks_binary: bool, is_nested: bool
) -> None:
    """In bytes and in JSON, flat and nested; what one way answers, the other does."""
    datatype, cells = tensor
    asked = {"parameters": {"binary_data_output": asks_binary}}
    listed = cells.tolist() if is_nested else cells.reshape(-1).tolist()
    as_json = {"name": "x", "shape": list(cells.shape), "datatype": datatype, "data": listed}
    for head, tail in (({"inputs": [binary(cells, datatype)]}, cells.tobytes()), ({"inputs": [as_json]}, b"")):
        status, said, rest = post(client, "same", {**asked, **head}, tail)
        assert 200 == status, said
        [output] = said["outputs"]
        assert ("transform", list(cells.shape), "FP64") == (output["name"], output["shape"], output["datatype"])
        found = np.frombuffer(rest, "<f8") if asks_binary else np.array(output["data"])
        np.testing.assert_array_equal(expected(cells), found.reshape(cells.shape))


@MANY
@given(cells=arrays.arrays("<f4", (7,), elements=arrays.from_dtype(np.dtype("<f4"), allow_nan=False)))
def test_float32_keeps_its_bits(cells: np.ndarray[Any, Any]) -> None:
    """Whatever is rounded to float32 again, as trees do, is the float32 that was sent."""
    from engine.batch.tensors.datatypes import DATATYPES, cells_from_bytes

    read = cells_from_bytes(memoryview(cells.tobytes()), 7, DATATYPES["FP32"], "x")
    with np.errstate(over="ignore"):
        assert cells.tobytes() == read.astype("<f4").tobytes()


@MANY
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=8))
def test_texts_come_in_as_they_are(texts: list[str]) -> None:
    from engine.batch.tensors.datatypes import DATATYPES, bytes_of, cells_from_bytes

    sent = b"".join(struct.pack("<I", len(text.encode())) + text.encode() for text in texts)
    assert texts == cells_from_bytes(memoryview(sent), len(texts), DATATYPES["BYTES"], "x")
    assert sent == bytes_of(texts, DATATYPES["BYTES"])


@MANY
@given(body=st.binary(max_size=300), said=st.none() | st.integers(-3, 400).map(str) | st.text(max_size=5))
@example(body=b"", said=None)
@example(body=b"[" * 5000, said=None)
@example(body=b"NaN", said=None)
@example(body=b'{"inputs": [NaN], "id": "\\ud800"}', said=None)
@example(body=b'{"inputs": ' + b"[" * 3000 + b"NaN" + b"]" * 3000 + b"}", said=None)
@example(body=b'{"id": NaN, "inputs": [' + b"9" * 5000 + b"]}", said=None)
def test_no_bytes_are_a_failure(client: Client, body: bytes, said: str | None) -> None:
    headers = {} if said is None else {"Inference-Header-Content-Length": said.encode("utf-8").decode("latin-1")}
    headers = {name: text for name, text in headers.items() if "\n" not in text and "\r" not in text}
    for model in ("species", "same", "line", "mood", "people"):
        answer = client.post(f"/v2/models/{model}/infer", data=body, headers=headers)
        assert 400 <= answer.status_code < 500, answer.data
        assert ["error"] == list(answer.json)
        assert "application/json" == answer.headers["Content-Type"]


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["name", "data", "x"]), inner),
    max_leaves=8,
)
LENGTHS = st.integers(-1, 4) | st.sampled_from([2**62, 2**64])
INPUTS = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["x", "plan", "age", "score", "member", "sepal_length"]) | JSONS,
        "shape": st.lists(LENGTHS, max_size=3) | JSONS,
        "datatype": st.sampled_from([*DTYPES, "BOOL", "BYTES", "BF16"]) | JSONS,
    },
    optional={
        "data": st.lists(JSONS, max_size=6) | JSONS,
        "parameters": st.fixed_dictionaries({}, optional={"binary_data_size": st.integers(-1, 40)}) | JSONS,
    },
)
REQUESTS = st.fixed_dictionaries(
    {"inputs": st.lists(INPUTS, max_size=4) | JSONS},
    optional={
        "id": JSONS,
        "parameters": JSONS | st.just({"binary_data_output": True}),
        "outputs": JSONS | st.lists(st.fixed_dictionaries({"name": st.sampled_from(["predict", "output-0", "x"])})),
    },
)


@settings(MANY, max_examples=400)
@given(head=REQUESTS, tail=st.binary(max_size=40))
def test_no_request_is_a_failure(client: Client, head: Any, tail: bytes) -> None:
    for model in ("species", "same", "line", "mood", "people"):
        status, said, _ = post(client, model, head, tail)
        assert status in (200, 400, 413, 422), said


PERSON = st.fixed_dictionaries(
    {
        "plan": st.sampled_from(["a", "b", "c", None]),
        "age": st.integers(-1, 121) | st.sampled_from([0, 120]),
        "score": st.none() | st.floats(-1e6, 1e6),
        "member": st.booleans(),
    }
)
FEATURES = {"plan": "BYTES", "age": "INT64", "score": "FP64", "member": "BOOL"}


@MANY
@given(people=st.lists(PERSON, min_size=1, max_size=6))
def test_tensors_are_judged_and_answered_as_instances_are(client: Client, people: list[dict[str, Any]]) -> None:
    """The same status, the same answers, and as many violations, as the model's own route has for the same rows."""
    instances = [{name: value for name, value in one.items() if value is not None} for one in people]
    own = client.post("/people", json={"instances": instances})
    columns = {name: [one[name] for one in people] for name in FEATURES}
    inputs = [
        {"name": name, "shape": [len(people)], "datatype": FEATURES[name], "data": column}
        for name, column in columns.items()
    ]
    status, said, _ = post(client, "people", {"inputs": inputs})
    assert own.status_code == status, said
    if status == 200:
        found = {one["name"]: one["data"] for one in said["outputs"]}
        assert own.json["result"] == found["predict"]
        assert [chance for one in own.json["probabilities"] for chance in one.values()] == found["predict_proba"]
    else:
        assert own.json["detail"] == said["error"].partition(": ")[0]
