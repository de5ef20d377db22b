"""Graphs with an input for each column: answers are those of onnxruntime, asked by what knows nothing of the engine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from apps import build_app
from flask.testing import FlaskClient
from graphing import of_columns
from modelling import Serve, row
from onnx import TensorProto, helper
from serving import run_here
from skl2onnx import to_onnx
from skl2onnx.common import data_types as types
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from engine.errors import RefusedInstance, SpecError
from engine.models import compile_models
from engine.models.runtime.onnx_graphs import Graph
from engine.spec import load_spec

F, NODE = TensorProto, helper.make_node
COUNT = 120


def save(model: onnx.ModelProto, path: Path) -> None:
    path.write_bytes(model.SerializeToString())


def rows_of_people() -> pd.DataFrame:
    random = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "age": random.integers(18, 90, COUNT),
            "the income": random.normal(4.2, 2.0, COUNT).astype(np.float32).astype(float),
            "city-name": random.choice(["Bern", "Basel", "Genève"], COUNT),
            "member": random.random(COUNT) > 0.5,
        }
    )


PEOPLE = rows_of_people()
INPUTS = [
    ("age", types.Int64TensorType([None, 1])),
    ("the income", types.FloatTensorType([None, 1])),
    ("city-name", types.StringTensorType([None, 1])),
    ("member", types.BooleanTensorType([None, 1])),
]
DTYPES = {"age": np.int64, "the income": np.float32, "city-name": object, "member": np.bool_}
PERSON = {
    "type": "object",
    "required": ["age", "the income", "city-name", "member"],
    "properties": {
        "member": {"type": "boolean"},
        "city-name": {"enum": ["Bern", "Basel", "Genève"]},
        "age": {"type": "integer", "minimum": 0},
        "the income": {"type": "number"},
    },
}


def pipeline(last: Any) -> Pipeline:
    steps = [
        ("n", StandardScaler(), ["age", "the income"]),
        ("c", OneHotEncoder(handle_unknown="ignore"), ["city-name"]),
        ("m", "passthrough", ["member"]),
    ]
    chosen = np.where(PEOPLE["age"] + 9 * PEOPLE["the income"] > 90, "yes", "no")
    return make_pipeline(ColumnTransformer(steps), last).fit(
        PEOPLE, PEOPLE["age"] * 0.5 + PEOPLE["member"] if isinstance(last, Ridge) else chosen
    )


CLASSIFIER = pipeline(LogisticRegression())
REGRESSOR = pipeline(Ridge())


def asked_directly(graph: onnx.ModelProto, frame: pd.DataFrame) -> list[Any]:
    """The outputs of onnxruntime for a frame, whose columns are those of the inputs, in their order."""
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    cells = [frame[name].to_numpy(DTYPES[name]).reshape(-1, 1) for name in frame]
    return session.run(None, dict(zip(names, cells, strict=True)))


def instances_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(frame.to_json(orient="records", double_precision=15))
    return listed


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A service of the classifier, as skl2onnx converts it by default, with its ZipMap."""
    folder = tmp_path_factory.mktemp("people")
    save(to_onnx(CLASSIFIER, initial_types=INPUTS), folder / "m.onnx")
    routes = {"service": {"protocols": ["v2"]}, "routes": [{"path": "/", "model": "m"}]}
    (folder / "routes.yaml").write_text(json.dumps(routes))
    entry = {"file": "m.onnx", "input": PERSON, "output": {"probabilities": True}}
    (folder / "models.yaml").write_text(json.dumps({"models": {"m": entry}}, indent=1))
    return folder


@pytest.fixture(scope="module")
def client(service: Path) -> FlaskClient:
    return build_app(load_spec(service / "routes.yaml")).test_client()


def test_probabilities_that_are_rounded_do_not_depend_on_a_batch(service: Path) -> None:
    """One of two is what the other leaves of 1, in float32: a small one may change by more than its own last bits."""
    predictor = compile_models(load_spec(service / "routes.yaml"))["m"]
    assert "" == predictor.facts.report.one_by_one


def expected_of_people() -> tuple[list[str], list[dict[str, float]]]:
    labels, chances = asked_directly(to_onnx(CLASSIFIER, initial_types=INPUTS), PEOPLE)
    return labels.tolist(), [{name: float(value) for name, value in one.items()} for one in chances]


def test_a_pipeline_of_mixed_columns_answers_http_as_onnxruntime_and_scikit_learn_do(client: FlaskClient) -> None:
    labels, chances = expected_of_people()
    answer = client.post("/", json={"instances": instances_of(PEOPLE)})
    assert (200, labels) == (answer.status_code, answer.json["result"])
    assert chances == answer.json["probabilities"]
    assert CLASSIFIER.predict(PEOPLE).tolist() == answer.json["result"]
    own = np.array([[*one.values()] for one in answer.json["probabilities"]])
    assert pytest.approx(CLASSIFIER.predict_proba(PEOPLE), abs=1e-5) == own
    for number in range(0, COUNT, 12):
        one = PEOPLE[number : number + 1]
        directly = asked_directly(to_onnx(CLASSIFIER, initial_types=INPUTS), one)[1][0]
        alone = client.post("/", json=instances_of(one)[0]).json
        assert ([labels[number]], [directly]) == (alone["result"], alone["probabilities"])


@pytest.mark.usefixtures("in_place")
def test_a_pipeline_of_mixed_columns_answers_files(service: Path) -> None:
    labels, chances = expected_of_people()
    PEOPLE.to_csv(service / "people.csv", index=False)
    done = run_here("predict", "m", "people.csv", "-o", "-", cwd=service)
    assert 0 == done.returncode, done.stderr
    scored = pd.read_csv(pd.io.common.StringIO(done.stdout))
    assert labels == scored["prediction"].tolist()
    assert pytest.approx([one["yes"] for one in chances], abs=1e-6) == scored["probability_yes"].tolist()


def tensors_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    kinds = {"age": "INT64", "the income": "FP32", "city-name": "BYTES", "member": "BOOL"}
    return [
        {"name": name, "shape": [len(frame), 1], "datatype": kinds[name], "data": frame[name].tolist()}
        for name in frame
    ]


def test_a_pipeline_of_mixed_columns_answers_tensors(client: FlaskClient) -> None:
    labels, chances = expected_of_people()
    answer = client.post("/v2/models/m/infer", json={"inputs": tensors_of(PEOPLE)})
    assert 200 == answer.status_code, answer.json
    outputs = {one["name"]: one["data"] for one in answer.json["outputs"]}
    assert labels == outputs["predict"]
    assert [value for one in chances for value in one.values()] == outputs["predict_proba"]


def test_integers_that_no_float_holds_reach_a_graph_unchanged(tmp_path: Path) -> None:
    """As JSON, in a CSV and as tensors: int64 is never a float on its way."""
    graph = of_columns(
        [("a", F.INT64, [None, 1]), ("b", F.INT64, [None])],
        [NODE("Squeeze", ["a"], ["flat"]), NODE("Identity", ["flat"], ["y"]), NODE("Identity", ["b"], ["z"])],
        [("y", F.INT64, [None]), ("z", F.INT64, [None])],
    )
    graph.graph.node[0].input.append("one")
    graph.graph.initializer.append(helper.make_tensor("one", F.INT64, [1], [1]))
    save(graph, tmp_path / "m.onnx")
    routes = {"service": {"protocols": ["v2"]}, "routes": [{"path": "/", "model": "m"}]}
    (tmp_path / "routes.yaml").write_text(json.dumps(routes))
    entry = {"file": "m.onnx", "input": row(a={"type": "integer"}, b={"type": "integer"})}
    entry["graph_outputs"] = {"predict": ["y", "z"]}
    (tmp_path / "models.yaml").write_text(json.dumps({"models": {"m": entry}}))
    client = build_app(load_spec(tmp_path / "routes.yaml")).test_client()
    large = [2**53 + 1, -(2**63), 2**63 - 1, 0]
    rows = [[one, other] for one, other in zip(large, reversed(large), strict=True)]
    answer = client.post("/", json={"instances": [{"a": a, "b": b} for a, b in rows]})
    assert rows == answer.json["result"]
    inputs = [
        {"name": name, "shape": [4], "datatype": "INT64", "data": [one[place] for one in rows]}
        for place, name in enumerate("ab")
    ]
    outputs = client.post("/v2/models/m/infer", json={"inputs": inputs}).json["outputs"]
    assert [cell for one in rows for cell in one] == outputs[0]["data"]


NUMERIC = {
    "int8": (F.INT8, [-128, 127], [128, -129]),
    "int16": (F.INT16, [-(2**15), 2**15 - 1], [2**15]),
    "int32": (F.INT32, [-(2**31), 2**31 - 1], [2**31]),
    "uint8": (F.UINT8, [0, 255], [-1, 256]),
    "uint16": (F.UINT16, [0, 2**16 - 1], [2**16]),
    "uint32": (F.UINT32, [0, 2**32 - 1], [-1, 2**32]),
    "uint64": (F.UINT64, [0, 2**63 - 1], [-1]),
}


def two_inputs(kind: int, shape: Sequence[int | None], *, count: int = 1) -> onnx.ModelProto:
    """A graph that answers its input `a` as it is; `b` is another."""
    nodes = [NODE("Identity", ["a"], ["y"])]
    return of_columns([("a", kind, shape), ("b", F.FLOAT, [None, count])], nodes, [("y", kind, shape)])


WHOLE, FRACTION = {"type": "integer"}, {"type": "number"}


@pytest.mark.parametrize("shape", [[None, 1], [None]], ids=["a column", "flat"])
@pytest.mark.parametrize("dtype", NUMERIC)
def test_integers_of_every_size_are_held_or_refused(dtype: str, shape: list[int | None], serve: Serve) -> None:
    kind, good, bad = NUMERIC[dtype]
    predictor = serve(two_inputs(kind, shape), file="m.onnx", save=save, input=row(a=WHOLE, b=FRACTION))
    assert good == predictor([{"a": one, "b": 0} for one in good]).result
    assert [good[0]] == predictor([{"a": good[0], "b": 0}]).result
    for one in bad:
        with pytest.raises(RefusedInstance) as refused:
            predictor([{"a": good[0], "b": 0}, {"a": one, "b": 0}])
        assert (1, "a") == (refused.value.row, refused.value.key)
        assert f'the model rejected this instance: {dtype} cannot hold {one} in "a"' == refused.value.reason


FLOATS = {
    "float16": (F.FLOAT16, [1.5, -65504.0, 65519.0], [65520.0, -1e9]),
    "float32": (F.FLOAT, [0.1, 3.4028234663852886e38, 3.4028235677973362e38], [3.4028235677973366e38, -1e39]),
    "float64": (F.DOUBLE, [0.1, 1.7976931348623157e308], []),
}


@pytest.mark.parametrize("shape", [[None, 1], [None]], ids=["a column", "flat"])
@pytest.mark.parametrize("dtype", FLOATS)
def test_floats_of_every_size_are_rounded_as_numpy_does_or_refused(
    dtype: str, shape: list[int | None], serve: Serve
) -> None:
    kind, good, bad = FLOATS[dtype]
    optional = {**row(a=FRACTION, b=FRACTION), "required": ["b"]}
    predictor = serve(two_inputs(kind, shape), file="m.onnx", save=save, input=optional)
    expected = np.array(good).astype(dtype).astype(float).tolist()
    assert expected == predictor([{"a": one, "b": 0} for one in good]).result
    assert expected == [predictor([{"a": one, "b": 0}]).result[0] for one in good]
    assert np.isnan(predictor([{"b": 0}, {"b": 1, "a": None}]).result[0])
    for one in bad:
        for rows in ([{"a": one, "b": 0}], [{"a": 1, "b": 0}, {"a": one, "b": 0}]):
            with pytest.raises(RefusedInstance) as refused:
                predictor(rows)
            assert refused.value.reason.startswith(f"the model rejected this instance: {dtype} cannot hold ")
            assert refused.value.reason.endswith(' in "a"')


@pytest.mark.parametrize(("dtype", "most"), [(F.FLOAT16, 2048), (F.FLOAT, 2**24)], ids=["float16", "float32"])
def test_an_integer_that_a_float_would_round_is_refused(dtype: int, most: int, serve: Serve) -> None:
    predictor = serve(two_inputs(dtype, [None, 1]), file="m.onnx", save=save, input=row(a=WHOLE, b=FRACTION))
    assert [float(most)] == predictor([{"a": most, "b": 0.1}]).result
    for rows in ([{"a": most + 1, "b": 0}], [{"a": 1, "b": 0}, {"a": most + 1, "b": 0}]):
        with pytest.raises(RefusedInstance, match=rf"cannot hold {most + 1}(\.0)? in \"a\"$"):
            predictor(rows)


def test_an_integer_that_the_only_matrix_would_round_is_refused(serve: Serve) -> None:
    graph = of_columns([("x", F.FLOAT, [None, 2])], [NODE("Identity", ["x"], ["y"])], [("y", F.FLOAT, [None, 2])])
    predictor = serve(graph, file="m.onnx", save=save, input=row(a=FRACTION, b=WHOLE))
    assert [[np.float32(0.1), 2**24]] == predictor([{"a": 0.1, "b": 2**24}]).result
    with pytest.raises(RefusedInstance, match=r'float32 cannot hold 16777217.0 in "b"$'):
        predictor([{"a": 0.1, "b": 2**24 + 1}])


def test_booleans_and_texts_reach_their_inputs(serve: Serve) -> None:
    graph = of_columns(
        [("yes", F.BOOL, [None, 1]), ("word", F.STRING, [None])],
        [NODE("Identity", ["yes"], ["y"]), NODE("Identity", ["word"], ["w"])],
        [("y", F.BOOL, [None, 1]), ("w", F.STRING, [None])],
    )
    keys = {"input": row(word={"type": "string"}, yes={"type": "boolean"})}
    rows = [{"yes": True, "word": "é"}, {"yes": False, "word": ""}]
    predictor = serve(graph, file="m.onnx", save=save, **keys)
    assert [True, False] == predictor(rows).result
    words = serve(None, file="m.onnx", **keys, graph_outputs={"transform": "w"}, response_method="transform")
    assert ["é", ""] == words(rows).result


def test_a_matrix_takes_the_features_that_are_no_inputs_in_their_order(serve: Serve) -> None:
    """Also where the input says nothing of its columns, or others stand between them."""
    for width in (3, None):
        graph = of_columns(
            [("x", F.FLOAT, [None, width]), ("one", F.INT64, [None, 1]), ("s", F.STRING, [None, 1])],
            [NODE("Cast", ["one"], ["o"], to=F.FLOAT), NODE("Concat", ["x", "o"], ["y"], axis=1)],
            [("y", F.FLOAT, [None, 4])],
        )
        text = {"type": "string"}
        input_ = row(c=FRACTION, s=text, a=FRACTION, one=WHOLE, b=FRACTION)
        instance = {"a": 1, "b": 2, "c": 3, "one": 4, "s": ""}
        predictor = serve(graph, file="m.onnx", save=save, input=input_)
        assert [[3.0, 1.0, 2.0, 4.0]] == predictor([instance]).result
        ordered = serve(None, file="m.onnx", input=input_, features=["a", "b", "s", "c", "one"])
        assert [[1.0, 2.0, 3.0, 4.0]] * 2 == ordered([instance] * 2).result


def test_the_only_input_takes_all_features_whatever_its_name(serve: Serve) -> None:
    for kind, feature, values in ((F.INT64, WHOLE, [2**62 + 1, 2]), (F.BOOL, {"type": "boolean"}, [True, False])):
        nodes, shape = [NODE("Identity", ["x"], ["y"])], [None, 2]
        graph = of_columns([("x", kind, shape)], nodes, [("y", kind, shape)])
        predictor = serve(graph, file="m.onnx", save=save, input=row(p=feature, q=feature))
        assert [values] == predictor([{"p": values[0], "q": values[1]}]).result
        items = {"type": "array", "items": feature, "minItems": 2, "maxItems": 2}
        assert [values] == serve(None, file="m.onnx", input=items)([values]).result


def test_texts_side_by_side_are_one_matrix(serve: Serve) -> None:
    nodes, shape = [NODE("Identity", ["x"], ["y"])], [None, 2]
    graph = of_columns([("x", F.STRING, shape)], nodes, [("y", F.STRING, shape)])
    text = {"type": "string"}
    predictor = serve(graph, file="m.onnx", save=save, input=row(p=text, q={**text, "default": "?"}))
    assert [["a", "?"], ["b", "c"]] == predictor([{"p": "a"}, {"p": "b", "q": "c"}]).result


def test_a_default_fills_an_input_that_has_no_gaps(serve: Serve) -> None:
    given = {**row(a={**WHOLE, "default": 7}, b=FRACTION), "required": []}
    predictor = serve(two_inputs(F.INT32, [None, 1]), file="m.onnx", save=save, input=given)
    assert [7, 7, 5] == predictor([{}, {"b": 1.5}, {"a": 5}]).result


def test_a_graph_of_columns_for_one_row_answers_several_one_by_one(serve: Serve) -> None:
    graph = of_columns(
        [("a", F.FLOAT, [1, 1]), ("b", F.FLOAT, [None, 1])],
        [NODE("Add", ["a", "b"], ["y"])],
        [("y", F.FLOAT, [None, 1])],
    )
    predictor = serve(graph, file="m.onnx", save=save, input=row(a=FRACTION, b=FRACTION))
    assert [3.0, 7.0] == predictor([{"a": 1, "b": 2}, {"a": 3, "b": 4}]).result


def test_other_features_may_be_in_instances(serve: Serve) -> None:
    """As for estimators, a property that no input takes is validated, and no more."""
    given = {**row(a=WHOLE, b=FRACTION, customer={"type": "string"}), "required": ["a", "b"]}
    predictor = serve(two_inputs(F.INT64, [None, 1]), file="m.onnx", save=save, input=given)
    assert [1] == predictor([{"a": 1, "b": 0, "customer": "c"}]).result


def test_a_column_of_floats_is_the_same_alone_and_among_others(serve: Serve) -> None:
    """One row takes a shorter way; both round every number as numpy does."""
    predictor = serve(two_inputs(F.FLOAT, [None, 1]), file="m.onnx", save=save, input=row(a=FRACTION, b=FRACTION))
    random = np.random.default_rng(0)
    values = (random.normal(size=300) * 10.0 ** random.uniform(-45, 38, 300)).tolist()
    rows: list[Mapping[str, float]] = [{"a": one, "b": 0} for one in values]
    assert predictor(rows).result == [predictor([one]).result[0] for one in rows]
    assert predictor(rows).result == np.float32(values).astype(float).tolist()


def test_a_flat_input_alone_takes_numbers(serve: Serve) -> None:
    graph = of_columns([("x", F.FLOAT, [None])], [NODE("Add", ["x", "x"], ["y"])], [("y", F.FLOAT, [None])])
    assert [3.0, 5.0] == serve(graph, file="m.onnx", save=save, input={"type": "number"})([1.5, 2.5]).result
    assert [3.0] == serve(None, file="m.onnx", input=row(any=FRACTION))([{"any": 1.5}]).result
    session = Graph(np.frombuffer(graph.SerializeToString(), np.uint8), "float32")
    assert [2.0] == session(np.array([[1.0]]))[0].tolist()


def test_a_regressor_of_mixed_columns_answers_as_scikit_learn_does(serve: Serve) -> None:
    predictor = serve(to_onnx(REGRESSOR, initial_types=INPUTS), file="m.onnx", save=save, input=PERSON)
    assert pytest.approx(REGRESSOR.predict(PEOPLE), rel=1e-5) == predictor(instances_of(PEOPLE)).result


def test_every_mistake_of_an_entry_is_reported(serve: Serve) -> None:
    graph = to_onnx(CLASSIFIER, initial_types=INPUTS)
    properties = PERSON["properties"] | {"the income": {"type": "string"}, "member": {"type": "integer"}}
    wrong = PERSON | {"required": ["the income", "city-name", "member"], "properties": properties}
    outputs = {"predict": "lable", "predict_proba": "probabilites"}
    with pytest.raises(SpecError) as refused:
        serve(graph, file="m.onnx", save=save, input=wrong, graph_outputs=outputs)
    required = 'require "age" and do not allow null, or give it a default'
    assert [
        'the input "member" of the graph takes booleans; declare "member" with type: boolean',
        f'the input "age" of the graph takes integers (int64), which cannot be missing; {required}',
        'the input "the_income" of the graph takes numbers (float32); declare "the income" with type: number',
        'the graph has no output "lable" (its outputs are: output_label, probabilities)',
        'the graph has no output "probabilites" (did you mean "probabilities"?)',
    ] == [found.message for found in refused.value.diagnostics]


@pytest.mark.parametrize(
    ("handle", "then"), [("ignore", "would count as none of these"), ("error", "would be refused")]
)
def test_a_value_that_is_no_category_of_a_graph_is_warned_of(handle: str, then: str, serve: Serve) -> None:
    encoder = ColumnTransformer(
        [("c", OneHotEncoder(handle_unknown=handle), ["city-name"]), ("n", "passthrough", ["age"])]
    )
    model = make_pipeline(encoder, Ridge()).fit(PEOPLE[["age", "city-name"]], PEOPLE["age"])
    graph = to_onnx(model, initial_types=[INPUTS[0], INPUTS[2]])
    cities = {"city-name": {"enum": ["bern", "Basel", "Genève"]}}
    predictor = serve(graph, file="m.onnx", save=save, input=row(age={"type": "integer"}, **cities))
    says = f'the model was not trained with "bern" in "city-name" (did you mean "Bern"?); it {then}'
    assert [says] == [found.message for found in predictor.facts.warnings]


def test_a_graph_is_tried_with_the_categories_that_it_knows(serve: Serve) -> None:
    """Since it stops at any other, as a OneHotEncoder that knows no other does."""
    steps = ColumnTransformer([("c", OneHotEncoder(), ["city-name"]), ("n", "passthrough", ["age"])])
    frame = PEOPLE[["city-name", "age"]]
    graph = to_onnx(make_pipeline(steps, Ridge()).fit(frame, PEOPLE["age"]), initial_types=[INPUTS[2], INPUTS[0]])
    given = row(**{"city-name": {"type": "string"}, "age": WHOLE})
    predictor = serve(graph, file="m.onnx", save=save, input=given)
    assert pytest.approx([40.0], abs=0.1) == predictor([{"city-name": "Bern", "age": 40}]).result
    with pytest.raises(RefusedInstance, match="rejected this instance: OneHotEncoder: Unknown Category"):
        predictor([{"city-name": "Rome", "age": 40}])
