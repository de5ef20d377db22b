"""`init` on graphs with an input for each column: the entry is right as it is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
import yaml
from graphing import of_columns, weighted
from onnx import TensorProto as F
from onnx import helper
from serving import run_here
from skl2onnx import to_onnx
from skl2onnx.common import data_types as types
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

pytestmark = pytest.mark.usefixtures("in_place")
NODE = helper.make_node
RANDOM = np.random.default_rng(1)
TABLE = pd.DataFrame(
    {
        "the age": RANDOM.integers(18, 90, 80),
        "income": RANDOM.normal(4, 2, 80),
        "city": RANDOM.choice(["Basel", "Bern", "Genève"], 80),
        "grade": RANDOM.choice(["a", "b"], 80),
        "member": RANDOM.random(80) > 0.5,
        "plan": RANDOM.choice([1, 2, 5], 80),
    }
)
KINDS = [
    ("the age", types.Int64TensorType([None, 1])),
    ("income", types.FloatTensorType([None, 1])),
    ("city", types.StringTensorType([None, 1])),
    ("grade", types.StringTensorType([None, 1])),
    ("member", types.BooleanTensorType([None, 1])),
    ("plan", types.Int64TensorType([None, 1])),
]


def converted(last: Any, target: Any) -> onnx.ModelProto:
    steps = [
        ("n", StandardScaler(), ["the age", "income"]),
        ("o", OneHotEncoder(handle_unknown="ignore"), ["city", "grade"]),
        ("p", OneHotEncoder(), ["plan"]),
        ("m", "passthrough", ["member"]),
    ]
    return to_onnx(make_pipeline(ColumnTransformer(steps), last).fit(TABLE, target), initial_types=KINDS)


def init(folder: Path, graph: onnx.ModelProto, *arguments: str) -> dict[str, Any]:
    """Write the graph and its entry, check it, and return it."""
    (folder / "m.onnx").write_bytes(graph.SerializeToString())
    done = run_here("init", "m.onnx", *arguments, cwd=folder)
    assert 0 == done.returncode, done.stderr
    checked = run_here("check", cwd=folder)
    assert 0 == checked.returncode, checked.stderr
    entry: dict[str, Any] = yaml.safe_load((folder / "models.yaml").read_text())["models"]["m"]
    return entry


def test_types_and_categories_are_those_of_the_graph(tmp_path: Path) -> None:
    entry = init(tmp_path, converted(LogisticRegression(), np.where(TABLE["income"] > 4, "yes", "no")))
    assert {
        "the_age": {"type": "integer"},
        "income": {"type": "number"},
        "city": {"enum": ["Basel", "Bern", "Genève"]},
        "grade": {"enum": ["a", "b"]},
        "member": {"type": "boolean"},
        "plan": {"enum": [1, 2, 5]},
    } == entry["input"]["properties"]
    assert [*entry["input"]["properties"]] == entry["input"]["required"]
    assert {"probabilities": True} == entry["output"]
    (example,) = entry["examples"]
    assert example["result"] in ("yes", "no")


def test_names_are_those_of_a_reference(tmp_path: Path) -> None:
    TABLE.assign(target=1).to_csv(tmp_path / "rows.csv", index=False)
    entry = init(tmp_path, converted(Ridge(), TABLE["income"]), "--reference", "rows.csv")
    assert [*TABLE] == [*entry["input"]["properties"]]
    assert {"type": "integer"} == entry["input"]["properties"]["the age"]
    assert "the age: {type: integer}  # minimum: 12, maximum: 95" in (tmp_path / "models.yaml").read_text()
    (example,) = entry["examples"]
    assert TABLE.iloc[0]["city"] == example["input"]["city"]


def test_encoders_of_ordinals_know_their_categories(tmp_path: Path) -> None:
    steps = ColumnTransformer([("o", OrdinalEncoder(), ["city"]), ("n", "passthrough", ["income"])])
    model = make_pipeline(steps, Ridge()).fit(TABLE[["income", "city"]], TABLE["income"])
    entry = init(tmp_path, to_onnx(model, initial_types=[KINDS[1], KINDS[2]]))
    assert {"enum": ["Basel", "Bern", "Genève"]} == entry["input"]["properties"]["city"]


def test_small_integers_have_their_bounds_and_a_matrix_has_numbered_columns(tmp_path: Path) -> None:
    graph = of_columns(
        [("level", F.INT8, [None, 1]), ("size", F.UINT16, [None]), ("x", F.DOUBLE, [None, 2])],
        [NODE("Identity", ["x"], ["y"])],
        [("y", F.DOUBLE, [None, 2])],
    )
    entry = init(tmp_path, graph)
    assert {
        "level": {"type": "integer", "minimum": -128, "maximum": 127},
        "size": {"type": "integer", "minimum": 0, "maximum": 65535},
        "x_1": {"type": "number"},
        "x_2": {"type": "number"},
    } == entry["input"]["properties"]


def test_the_columns_of_a_matrix_are_the_others_of_a_reference(tmp_path: Path) -> None:
    graph = of_columns(
        [("x", F.FLOAT, [None, 2]), ("kind", F.STRING, [None, 1])],
        [NODE("Identity", ["x"], ["y"])],
        [("y", F.FLOAT, [None, 2])],
    )
    pd.DataFrame({"p": [1.5, 2.0], "kind": ["a", "b"], "q": [0.5, 1.0]}).to_csv(tmp_path / "rows.csv", index=False)
    entry = init(tmp_path, graph, "--reference", "rows.csv")
    assert ["p", "q", "kind"] == [*entry["input"]["properties"]]
    assert ({"p": 1.5, "kind": "a", "q": 0.5}, [1.5, 0.5]) == (*entry["examples"][0].values(),)[:2]


def test_a_graph_with_its_data_beside_it_is_outlined(tmp_path: Path) -> None:
    graph, weights = weighted()
    (tmp_path / "weights.bin").write_bytes(weights)
    assert ["x1", "x2", "x3"] == [*init(tmp_path, graph)["input"]["properties"]]


@pytest.mark.parametrize("kind", [F.INT64, F.BOOL, F.STRING])
def test_a_matrix_that_is_no_float_has_features_of_its_type(kind: int, tmp_path: Path) -> None:
    shape = [None, 2]
    graph = of_columns([("x", kind, shape)], [NODE("Identity", ["x"], ["y"])], [("y", kind, shape)])
    named = {F.INT64: "integer", F.BOOL: "boolean", F.STRING: "string"}[kind]
    assert {"x1": {"type": named}, "x2": {"type": named}} == init(tmp_path, graph)["input"]["properties"]


def test_columns_without_a_number_are_told(tmp_path: Path) -> None:
    graph = of_columns(
        [("a", F.INT64, [None, None]), ("b", F.FLOAT, [None, 1])],
        [NODE("Identity", ["b"], ["y"])],
        [("y", F.FLOAT, [None, 1])],
    )
    (tmp_path / "m.onnx").write_bytes(graph.SerializeToString())
    done = run_here("init", "m.onnx", cwd=tmp_path)
    assert 'm.onnx: error: the input "a" of the graph does not declare how many columns it has' in done.stderr


def test_what_init_has_written_answers(tmp_path: Path) -> None:
    graph = converted(LogisticRegression(), np.where(TABLE["income"] > 4, "yes", "no"))
    entry = init(tmp_path, graph)
    sent = json.dumps(entry["examples"][0]["input"])
    done = run_here("call", "POST", "/predict", "-d", sent, cwd=tmp_path)
    assert [entry["examples"][0]["result"]] == json.loads(done.stdout)["result"]
