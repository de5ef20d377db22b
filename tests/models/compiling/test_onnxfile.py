"""Models that are ONNX graphs already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from graphing import ending, graph, lookup, of_values, reaching
from modelling import OBJECT, SPECIES, Serve, X, message, y
from skl2onnx import to_onnx
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression

from engine.errors import RefusedInstance, SpecError
from engine.models.runtime.onnx_graphs import Graph


def save(model: onnx.ModelProto, path: Path) -> None:
    path.write_bytes(model.SerializeToString())


def graph_of(estimator: Any) -> onnx.ModelProto:
    options = {id(estimator): {"zipmap": False}} if hasattr(estimator, "classes_") else None
    return to_onnx(estimator, X[:1].astype(np.float32), options=options)


def test_a_classifiers_graph_answers_with_labels_and_probabilities(serve: Serve) -> None:
    estimator = RandomForestClassifier(5, random_state=0).fit(X, y)
    output = {"labels": ["setosa", "versicolor", "virginica"], "probabilities": True}
    predictor = serve(graph_of(estimator), file="m.onnx", save=save, output=output)
    prediction = predictor(X.tolist())
    assert estimator.predict(X).tolist() == prediction.result
    assert "setosa" == prediction.labels[0]
    assert estimator.predict_proba(X)[70].tolist() == pytest.approx(list(prediction.probabilities[70].values()))
    facts = predictor.facts
    assert ("ONNX graph", "classifier", "onnx") == (facts.estimator, facts.kind, facts.report.runtime)


def test_a_regressors_graph_answers(serve: Serve) -> None:
    estimator = LinearRegression().fit(X, y)
    predictor = serve(graph_of(estimator), file="m.onnx", save=save, input=OBJECT)
    (actual,) = predictor([dict(zip(OBJECT["required"], X[0].tolist(), strict=True))]).result
    assert actual == pytest.approx(estimator.predict(X[:1])[0], abs=1e-5)


def test_what_float32_cannot_hold_is_refused(serve: Serve) -> None:
    predictor = serve(graph_of(LinearRegression().fit(X, y)), file="m.onnx", save=save)
    with pytest.raises(RefusedInstance, match="too large for dtype"):
        predictor([[1e39, 1, 1, 1]])


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (
            {"input": {"type": "string"}},
            "the model takes 4 features, not texts; its input must be an object or an array",
        ),
        ({"input": {"type": "number"}}, "the model takes 4 features, but a number is only one"),
        ({"output": {"labels": ["a", "b"]}}, "2 labels for 3 classes (0, 1, 2); name each class once, in this order"),
        (
            {"response_method": "transform"},
            'the graph has no transform; it has the outputs "label", "probabilities", and graph_outputs can name one',
        ),
    ],
)
def test_a_graph_that_does_not_fit_its_spec_is_told(keys: dict[str, Any], told: str, serve: Serve) -> None:
    graph = graph_of(LogisticRegression(max_iter=1000).fit(X, y))
    with pytest.raises(SpecError) as refused:
        serve(graph, file="m.onnx", save=save, **keys)
    assert told == message(refused)


def test_a_file_that_is_no_graph_is_told(serve: Serve) -> None:
    with pytest.raises(SpecError) as refused:
        serve(b"no graph", file="m.onnx", save=lambda data, path: path.write_bytes(data))
    assert message(refused).startswith("the file is not an ONNX graph")


def test_a_graph_whose_data_is_nowhere_is_refused(serve: Serve) -> None:
    graph = graph_of(LinearRegression().fit(X, y))
    tensor = onnx.helper.make_tensor("far", onnx.TensorProto.FLOAT, [1], [0.0])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    graph.graph.initializer.append(tensor)
    with pytest.raises(SpecError) as refused:
        serve(graph, file="m.onnx", save=save)
    assert message(refused).startswith('the graph keeps data in "", and only files in the graph\'s own folder are read')


ONE = {"type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": 1}
FAR = "models/far.bin"


@pytest.fixture
def far_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file below the working directory that no spec names: the number 42."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / FAR).write_bytes(np.float32(42).tobytes())
    return tmp_path / FAR


@pytest.mark.parametrize("place", reaching(FAR))
@pytest.mark.usefixtures("far_file")
def test_a_graph_with_data_in_another_folder_is_refused_wherever_it_names_it(place: str, serve: Serve) -> None:
    with pytest.raises(SpecError) as refused:
        serve(reaching(FAR)[place], file="m.onnx", save=save, input=ONE)
    location = "*/_ORT_MEM_ADDR_/*" if place == "a memory address" else FAR
    assert message(refused) == (
        f'the graph keeps data in "{location}", and only files in the graph\'s own folder are read, none that is hidden'
        "; save it beside the graph under a plain name, or in one file: save_as_external_data=False"
    )


@pytest.mark.parametrize("place", reaching(FAR))
@pytest.mark.usefixtures("far_file")
def test_onnxruntime_itself_finds_no_other_file(place: str) -> None:
    """Were a place overlooked, as one of a later version of the format: what runs a graph has no folder to look in."""
    with pytest.raises(Exception, match="ONNXRuntimeError"):
        Graph(np.frombuffer(reaching(FAR)[place].SerializeToString(), np.uint8), "float32")


def test_what_is_read_as_a_graph_is_run_as_one() -> None:
    """Bytes that are onnxruntime's own format to it, whose data may be in files too."""
    own_format = b"\x82\x01\x8a\x00ORTM" + b"\x00" * 6
    onnx.load_from_string(own_format)
    with pytest.raises(Exception, match="No graph was found in the protobuf"):
        Graph(np.frombuffer(own_format, np.uint8), "float32")


def test_a_lookup_that_stops_on_large_numbers_is_checked_and_its_largest_is_not_known(serve: Serve) -> None:
    predictor = serve(lookup(), file="m.onnx", save=save, input=ONE)
    assert [[6.0]] == np.reshape(predictor([[4]]).result, (1, 1)).tolist()
    assert predictor.facts.largest is None


STOPS = {
    "Gather": (lookup(), [99], "Gather: indices element out of data bounds, idx=99 must be within the inclusive range"),
    "Reshape": (of_values("Reshape"), [7], "Reshape: The input tensor cannot be reshaped to the requested shape."),
    "Split": (of_values("Split", axis=1), [9], "Split: Invalid value in 'split'."),
    "ReduceSum": (of_values("ReduceSum"), [5], "ReduceSum"),
}


@pytest.mark.parametrize("operator", STOPS)
def test_an_instance_on_which_an_operator_stops_is_refused_with_the_reason(operator: str, serve: Serve) -> None:
    model, instance, reason = STOPS[operator]
    predictor = serve(model, file="m.onnx", save=save, input=ONE)
    with pytest.raises(RefusedInstance) as refused:
        predictor([[1], instance, [1]] if operator == "Gather" else [instance])
    assert refused.value.reason.startswith(f"the model rejected this instance: {reason}")
    assert (operator == "Gather") == refused.value.row
    assert "onnxruntime" not in refused.value.reason


def test_a_graph_of_one_row_answers_several_one_by_one(serve: Serve) -> None:
    double = graph([onnx.helper.make_node("Add", ["x", "x"], ["y"])], rows=1, columns=2)
    pair = {**ONE, "minItems": 2, "maxItems": 2}
    predictor = serve(double, file="m.onnx", save=save, input=pair)
    assert [[2.0, 4.0], [6.0, 8.0]] == predictor([[1, 2], [3, 4]]).result


def test_a_graph_of_another_number_of_rows_is_told(serve: Serve) -> None:
    double = graph([onnx.helper.make_node("Add", ["x", "x"], ["y"])], rows=3)
    with pytest.raises(SpecError) as refused:
        serve(double, file="m.onnx", save=save, input=ONE)
    assert message(refused).startswith("the graph takes 3 rows at once, no fewer and no more; export it with")


TENSOR, NODE = onnx.helper.make_tensor_value_info, onnx.helper.make_node
FLOAT = onnx.TensorProto.FLOAT
LISTS = onnx.helper.make_tensor_sequence_value_info("y", FLOAT, None)
NO_RESULTS = {
    "none": (ending([NODE("Identity", ["x"], ["y"])]), "the graph has no outputs; it needs one, the result"),
    "a sequence": (
        ending([NODE("SequenceConstruct", ["x"], ["y"])], LISTS),
        'the output "y" is of type seq(tensor(float)); the result must be a tensor of numbers, texts or booleans',
    ),
    "numbers of 8 bits": (
        ending([NODE("Cast", ["x"], ["y"], to=17)], TENSOR("y", onnx.TensorProto.FLOAT8E4M3FN, None)),
        'the output "y" is of type tensor(float8e4m3fn); the result must be a tensor of numbers, texts or booleans',
    ),
}


@pytest.mark.parametrize("name", NO_RESULTS)
def test_a_graph_without_results_is_told(name: str, serve: Serve) -> None:
    model, told = NO_RESULTS[name]
    with pytest.raises(SpecError) as refused:
        serve(model, file="m.onnx", save=save, input=ONE)
    assert told == message(refused)


@pytest.mark.parametrize("target", [y, SPECIES[y]], ids=["numbers", "texts"])
def test_probabilities_in_dictionaries_are_read(target: Any, serve: Serve) -> None:
    """What skl2onnx makes of a classifier unless it is told otherwise: its ZipMap also names the classes."""
    estimator = LogisticRegression(max_iter=1000).fit(X, target)
    by_default = to_onnx(estimator, X[:1].astype(np.float32))
    assert "ZipMap" in [node.op_type for node in by_default.graph.node]
    prediction = serve(by_default, file="m.onnx", save=save, output={"probabilities": True})(X[::30].tolist())
    assert estimator.predict(X[::30]).tolist() == prediction.result
    expected = [
        dict(zip(map(str, estimator.classes_), row, strict=True)) for row in estimator.predict_proba(X[::30]).tolist()
    ]
    for wanted, found in zip(expected, prediction.probabilities, strict=True):
        assert pytest.approx(wanted, abs=1e-5) == found
    chances = serve(None, file="m.onnx", response_method="predict_proba")(X[:2].tolist()).result
    assert pytest.approx(estimator.predict_proba(X[:2]), abs=1e-5) == np.array(chances)


def test_probabilities_in_other_sequences_are_told(serve: Serve) -> None:
    label = NODE("Cast", ["x"], ["label"], to=onnx.TensorProto.INT64)
    outputs = [TENSOR("label", onnx.TensorProto.INT64, None), LISTS]
    model = ending([label, NODE("SequenceConstruct", ["x"], ["y"])], *outputs)
    with pytest.raises(SpecError) as refused:
        serve(model, file="m.onnx", save=save, input=ONE, response_method="predict_proba")
    told = 'the output "y" is of type seq(tensor(float)); the probabilities must be a tensor of numbers: '
    assert told + 'export the model with options={"zipmap": False}' == message(refused)


def test_a_graph_of_pictures_is_told_what_an_instance_is(serve: Serve) -> None:
    picture = graph([NODE("Identity", ["x"], ["y"])])
    picture.graph.input[0].CopyFrom(TENSOR("x", FLOAT, [None, 3, 8, 8]))
    with pytest.raises(SpecError) as refused:
        serve(picture, file="m.onnx", save=save, input=ONE)
    assert message(refused) == (
        'the input "x" of the graph has 4 dimensions (any x 3 x 8 x 8); an instance is a row of numbers, so the input '
        "needs two: rows and columns. Export the graph with a reshape in front"
    )


@pytest.mark.parametrize("rows", [None, 1], ids=["any number of rows", "one row"])
def test_a_regression_in_one_column_gives_one_number_a_row(rows: int | None, serve: Serve) -> None:
    double = graph([NODE("Add", ["x", "x"], ["y"])], rows=rows)
    double.graph.output[0].CopyFrom(TENSOR("y", FLOAT, [rows, 1]))
    predictor = serve(double, file="m.onnx", save=save, input=ONE)
    assert [2.0] == predictor([[1]]).result
    assert [2.0, 4.0, 6.0] == predictor([[1], [2], [3]]).result


UNEVEN = {
    "a sum of all rows": (ending([NODE("ReduceSum", ["x"], ["y"])], TENSOR("y", FLOAT, None)), [1.0, 2.0, 4.0]),
    "a single number": (
        ending([NODE("ReduceSum", ["x"], ["y"], keepdims=0)], TENSOR("y", FLOAT, [])),
        [1.0, 2.0, 4.0],
    ),
}


@pytest.mark.parametrize("name", UNEVEN)
def test_every_instance_gets_a_result_of_its_own(name: str, serve: Serve) -> None:
    """Where a graph gives fewer results than it has rows, it is given them one by one."""
    model, expected = UNEVEN[name]
    predictor = serve(model, file="m.onnx", save=save, input=ONE)
    assert expected == predictor([[1], [2], [4]]).result
    assert expected[:1] == predictor([[1]]).result


def test_several_results_for_one_instance_are_no_answer(serve: Serve) -> None:
    both = ending([NODE("Concat", ["x", "x"], ["y"], axis=0)], TENSOR("y", FLOAT, None))
    with pytest.raises(SpecError, match=r"none of the 200 rows .* the graph gives 2 results for one instance"):
        serve(both, file="m.onnx", save=save, input=ONE)
