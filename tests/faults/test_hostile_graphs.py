"""Graphs of columns that lie, or that are made to break whatever opens them: a mistake with a place, or 200 and 422."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from apps import build_app
from graphing import Described, external, of_columns
from onnx import TensorProto as F
from onnx import helper, numpy_helper

from engine.errors import SpecError
from engine.models.outlining.model_outline import outline_model
from engine.spec import load_spec

NODE, ML = helper.make_node, {"domain": "ai.onnx.ml"}
AB: list[Described] = [("a", F.INT64, [None, 1]), ("b", F.FLOAT, [None, 1])]
Y: list[Described] = [("y", F.FLOAT, [None, 1])]
SAME = [NODE("Identity", ["b"], ["y"])]
ENTRY = {
    "type": "object",
    "required": ["a", "b"],
    "properties": {"a": {"type": "integer"}, "b": {"type": "number"}},
}
ROWS = [{"a": a, "b": 1.5} for a in (0, 1, 5, -(2**62), 2**63)]


def floats(*names: str, shape: Any = (None, 1)) -> list[Described]:
    return [(name, F.FLOAT, shape) for name in names]


def with_operator(node: onnx.NodeProto, domain: str) -> onnx.ModelProto:
    made = of_columns(AB, [node], Y)
    made.opset_import.append(helper.make_opsetid(domain, 1))
    return made


def without(field: str) -> onnx.ModelProto:
    made = of_columns(AB, SAME, Y)
    getattr(made.graph, field)[0].ClearField("type")
    return made


def zipmap(width: int, classes: list[int]) -> onnx.ModelProto:
    nodes = [
        NODE("Concat", ["b"] * width, ["p"], axis=1),
        NODE("ZipMap", ["p"], ["z"], classlabels_int64s=classes, **ML),
        NODE("Squeeze", ["a"], ["label"]),
    ]
    made = of_columns(AB, nodes, [("label", F.INT64, [None])])
    made.graph.output.append(onnx.ValueInfoProto(name="z"))
    return made


def with_tensor(tensor: onnx.TensorProto) -> onnx.ModelProto:
    return of_columns(AB, [NODE("Add", ["b", tensor.name], ["y"])], Y, [tensor])


def far(dims: list[int] | None = None, location: str = "w.bin", kind: int = F.FLOAT, **entries: str) -> onnx.ModelProto:
    tensor = external("W", location)
    tensor.dims[:], tensor.data_type = [1] if dims is None else dims, kind
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    return with_tensor(tensor)


def branch() -> onnx.ModelProto:
    """Reads what another operator makes only within a branch, beside an output that is not wanted."""
    inside = helper.make_graph(
        [NODE("Add", ["b", "hidden"], ["o"])], "then", [], [helper.make_tensor_value_info("o", F.FLOAT, None)]
    )
    nodes = [
        NODE("Mul", ["b", "b"], ["hidden"]),
        NODE("If", ["t"], ["y"], then_branch=inside, else_branch=inside),
        NODE("Identity", ["b"], ["extra"]),
    ]
    return of_columns(AB, nodes, [*Y, *floats("extra")], [helper.make_tensor("t", F.BOOL, [], [True])])


def sequence() -> onnx.ModelProto:
    made = of_columns(AB, SAME, Y)
    made.graph.input.append(helper.make_tensor_sequence_value_info("s", F.FLOAT, None))
    return made


def decoded(values: list[bytes], keys: list[Any]) -> onnx.ModelProto:
    text = dict(keys_strings=keys, values_strings=values, default_string=values[0], **ML)
    inputs: list[Described] = [("a", F.STRING, [None, 1]), *floats("b")]
    return of_columns(inputs, [NODE("LabelEncoder", ["a"], ["y"], **text)], [("y", F.STRING, [None, 1])])


GRAPHS = {
    "an output wider than memory": of_columns(
        AB, [*SAME, NODE("Squeeze", ["a"], ["label"])], [("label", F.INT64, [None]), ("y", F.FLOAT, [None, 10**15])]
    ),
    "inputs wider than memory": of_columns(
        floats("a", "b", shape=[None, 2**62]), SAME, floats("y", shape=[None, 2**62])
    ),
    "operands of two types": of_columns(AB, [NODE("Add", ["a", "b"], ["y"])], Y),
    "an output of another type": of_columns(AB, [NODE("Cast", ["a"], ["y"], to=F.INT64)], Y),
    "a cycle": of_columns(AB, [NODE("Add", ["b", "z"], ["y"]), NODE("Add", ["y", "b"], ["z"])], Y),
    "an operator of itself": of_columns(AB, [NODE("Add", ["y", "b"], ["y"])], Y),
    "operators in disorder": of_columns(AB, [NODE("Add", ["z", "b"], ["y"]), NODE("Add", ["b", "b"], ["z"])], [*Y]),
    "operators of others": with_operator(NODE("Foo", ["a"], ["y"], domain="evil.ops"), "evil.ops"),
    "operators of Python": with_operator(NODE("PyOp", ["a"], ["y"], domain="ai.onnx.contrib"), "ai.onnx.contrib"),
    "two inputs of one name": of_columns(floats("a", "a"), [NODE("Identity", ["a"], ["y"])], Y),
    "names that are none": of_columns(floats('a"\n<b>', ""), [NODE("Identity", ['a"\n<b>'], ["y"])], Y),
    "a name without end": of_columns(floats("x" * 100_000, "b"), SAME, Y),
    "a thousand inputs": of_columns(
        floats(*(f"i{place}" for place in range(1000))), [NODE("Identity", ["i1"], ["y"])], Y
    ),
    "negative dimensions": of_columns([("a", F.INT64, [-5, -1]), *floats("b")], SAME, Y),
    "no rows": of_columns([("a", F.INT64, [0, 1]), *floats("b")], SAME, Y),
    "an input without dimensions": of_columns([("a", F.INT64, []), *floats("b")], SAME, Y),
    "a hundred dimensions": of_columns([("a", F.INT64, [10**9] * 100), *floats("b")], SAME, Y),
    "an input without a type": without("input"),
    "an output without a type": without("output"),
    "an input as output": of_columns(AB, [], floats("b")),
    "an output that nothing makes": of_columns(AB, SAME, floats("nothing")),
    "an output without rows": of_columns(AB, [NODE("ReduceSum", ["b"], ["y"], keepdims=0)], [("y", F.FLOAT, [])]),
    "a sequence as input": sequence(),
    "a branch that sees more": branch(),
    "fewer probabilities than classes": zipmap(1, [1, 2]),
    "one class twice": zipmap(2, [1, 1]),
    "categories that are no text": decoded([b"x", b"y"], [b"\xff\xfe", "x"]),
    "answers that are no text": decoded([b"\xff", b"\xfe"], ["x", "y"]),
    "a tensor that is cut off": with_tensor(F(name="W", data_type=F.FLOAT, dims=[2**40], raw_data=b"123")),
    "a tensor with negative dimensions": with_tensor(F(name="W", data_type=F.FLOAT, dims=[-4], raw_data=b"1234")),
    "data larger than any file": far([2**40, 2**40]),
    "data of a thousand dimensions": far([2**62] * 1000),
    "data without values": far([0]),
    "data of no type": far(kind=999),
    "data of texts": far(kind=F.STRING),
    "a length without end": far(length="9" * 5000),
    "an offset of minus nothing": far(offset="-0"),
    "an offset in other digits": far(offset="٤"),
    "data in the graph itself": far(location="m.onnx"),
    "data under a name without end": far(location="x" * 300),
    "data under a name of control characters": far(location="w\n\x1b[31m.bin"),
    "data in the spec": far(location="models.yaml"),
    "data above": far(location=".."),
    "data here": far(location="."),
    "data on a drive": far(location="C:w.bin"),
    "classes of another type": of_columns(
        AB,
        [
            NODE("Squeeze", ["a"], ["place"]),
            NODE("Gather", ["classes", "place"], ["label"]),
            NODE("Concat", ["b", "b"], ["probabilities"], axis=1),
        ],
        [("label", F.INT64, [None]), ("probabilities", F.FLOAT, [None, 2])],
        [numpy_helper.from_array(np.array([5, 9]), "classes")],
    ),
}


def statuses(folder: Path, schema: Any, *, probabilities: bool) -> set[int]:
    """Serve the graph, and ask it; raises `SpecError`."""
    (folder / "routes.yaml").write_text('{"routes": [{"path": "/", "model": "m"}]}')
    entry = {"file": "m.onnx", "input": schema, "output": {"probabilities": probabilities}}
    (folder / "models.yaml").write_text(json.dumps({"models": {"m": entry}}))
    client = build_app(load_spec(folder / "routes.yaml")).test_client()
    sent = [*ROWS, {"instances": ROWS[:2]}, *({"a": text, "b": 1} for text in ("x", "\x00"))]
    return {client.post("/", json=one).status_code for one in sent}


@pytest.mark.parametrize("name", GRAPHS)
def test_a_hostile_graph_is_a_mistake_with_a_place_or_answers(name: str, tmp_path: Path) -> None:
    """By an entry of one's own, and by that of `init`, with probabilities and without."""
    (tmp_path / "m.onnx").write_bytes(GRAPHS[name].SerializeToString())
    (tmp_path / "w.bin").write_bytes(b"\0" * 8)
    text = {**ENTRY, "properties": {**ENTRY["properties"], "a": {"type": "string"}}}
    schemas = [ENTRY, text]
    try:
        schemas.append(outline_model(tmp_path / "m.onnx").schema)
    except SpecError as error:
        assert str(tmp_path / "m.onnx") == error.diagnostics[0].place.file
    for schema in schemas:
        for probabilities in (False, True):
            try:
                assert statuses(tmp_path, schema, probabilities=probabilities) <= {200, 422}
            except SpecError as error:
                assert [1] == [found.place.line for found in error.diagnostics]
                assert all(len(found.message) < 1500 and "\n" not in found.message for found in error.diagnostics)
