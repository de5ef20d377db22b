"""The outputs of graphs: which of them is the label, the probabilities, or another answer, and what the classes are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from apps import build_app
from graphing import of_columns
from modelling import Serve, X, y
from onnx import TensorProto as F
from onnx import helper, numpy_helper
from skl2onnx import to_onnx
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.tree import DecisionTreeClassifier

from engine.errors import RefusedInstance
from engine.models.compiling.graphs.graph_classes import declared_classes
from engine.spec import load_spec

NODE = helper.make_node
THREE = {"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3}
ROWS = [[0.1, 0.7, 0.2], [0.5, 0.2, 0.3], [0.2, 0.2, 0.6]]
SHARES = np.exp(np.float32(ROWS)) / np.exp(np.float32(ROWS)).sum(axis=1, keepdims=True)


def save(model: onnx.ModelProto, path: Path) -> None:
    path.write_bytes(model.SerializeToString())


def chooser(*outputs: str, names: dict[str, str] | None = None, classes: Any = None) -> onnx.ModelProto:
    """A classifier of three shares: its outputs place, shares and top, in an order, under other names if given."""
    called = {name: (names or {}).get(name, name) for name in ("place", "shares", "top")}
    nodes = [
        NODE("ArgMax", ["x"], ["at" if classes is not None else called["place"]], axis=1, keepdims=0),
        NODE("Softmax", ["x"], [called["shares"]], axis=1),
        NODE("ReduceMax", ["x"], [called["top"]], keepdims=1),
    ]
    tensors = []
    if classes is not None:
        nodes.append(NODE("Gather", ["classes", "at"], [called["place"]]))
        tensors = [numpy_helper.from_array(np.array(classes), "classes")]
    kind = F.STRING if classes is not None and isinstance(classes[0], str) else F.INT64
    described = {
        "place": (called["place"], kind, [None]),
        "shares": (called["shares"], F.FLOAT, [None, 3]),
        "top": (called["top"], F.FLOAT, [None, 1]),
    }
    return of_columns([("x", F.FLOAT, [None, 3])], nodes, [described[name] for name in outputs], tensors)


def test_probabilities_before_the_label_are_recognised(serve: Serve) -> None:
    graph = chooser("shares", "place", names={"shares": "Probabilities", "place": "class"})
    prediction = serve(graph, file="m.onnx", save=save, input=THREE, output={"probabilities": True})(ROWS)
    assert [1, 0, 2] == prediction.result
    assert pytest.approx(SHARES) == np.array([[*one.values()] for one in prediction.probabilities])


def test_probabilities_behind_other_outputs_are_recognised_by_their_name(serve: Serve) -> None:
    graph = chooser("place", "top", "shares", names={"shares": "output_probability"})
    predictor = serve(graph, file="m.onnx", save=save, input=THREE, response_method="predict_proba")
    assert pytest.approx(SHARES) == np.array(predictor(ROWS).result)


def test_an_entry_names_the_outputs_that_names_do_not_tell(serve: Serve) -> None:
    graph = chooser("top", "shares", "place")
    keys = {"file": "m.onnx", "input": THREE, "graph_outputs": {"predict": "place", "predict_proba": "shares"}}
    prediction = serve(graph, save=save, **keys, output={"labels": ["a", "b", "c"], "probabilities": True})(ROWS)
    assert ([1, 0, 2], ["b", "a", "c"]) == (prediction.result, prediction.labels)
    assert ["a", "b", "c"] == [*prediction.probabilities[0]]
    assert pytest.approx(SHARES) == np.array([[*one.values()] for one in prediction.probabilities])
    assert pytest.approx([0.7, 0.5, 0.6]) == serve(None, file="m.onnx", input=THREE)(ROWS).result
    tops = serve(None, **{**keys, "graph_outputs": {"decision_function": "top"}}, response_method="decision_function")
    assert pytest.approx([0.7, 0.5, 0.6]) == tops(ROWS).result


def test_only_the_outputs_that_are_wanted_are_computed(serve: Serve) -> None:
    graph = chooser("place", "shares")
    graph.graph.node[1].op_type = "Reshape"  # which stops whatever the values are
    del graph.graph.node[1].attribute[:]
    graph.graph.node[1].input.append("wrong")
    graph.graph.initializer.append(numpy_helper.from_array(np.array([7, 7]), "wrong"))
    assert [1, 0, 2] == serve(graph, file="m.onnx", save=save, input=THREE)(ROWS).result


@pytest.mark.parametrize("classes", [[3, 5, 7], ["low", "mid", "top"]], ids=["numbers", "texts"])
def test_the_classes_are_those_that_the_graph_looks_up(classes: list[Any], serve: Serve) -> None:
    keys = {"file": "m.onnx", "input": THREE, "output": {"probabilities": True}}
    prediction = serve(chooser("place", "shares", classes=classes), save=save, **keys)(ROWS)
    assert [classes[1], classes[0], classes[2]] == prediction.result
    assert [*map(str, classes)] == [*prediction.probabilities[0]]
    named = serve(None, **{**keys, "output": {"labels": ["a", "b", "c"]}})(ROWS)
    assert ["b", "a", "c"] == named.labels


ESTIMATORS = [
    LogisticRegression(max_iter=500),
    RandomForestClassifier(3, random_state=0),
    DecisionTreeClassifier(max_depth=3),
    GaussianNB(),
    MLPClassifier((4,), max_iter=20),
    SGDClassifier(loss="log_loss"),
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("names", [np.array([3, 5, 9]), np.array(["x", "y", "z"])], ids=["numbers", "texts"])
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda one: type(one).__name__)
def test_the_classes_of_converted_classifiers_are_their_own(estimator: Any, names: Any) -> None:
    """Without ZipMap, which would name them: in the order of the probabilities."""
    estimator.fit(X, names[y])
    graph = to_onnx(estimator, X[:1].astype(np.float32), options={id(estimator): {"zipmap": False}})
    kind = onnxruntime.InferenceSession(graph.SerializeToString()).get_outputs()[0].type
    assert tuple(estimator.classes_.tolist()) == declared_classes(graph, "label", kind)


def test_a_label_that_is_no_class_is_refused_where_the_classes_are_guessed(serve: Serve) -> None:
    """Of a width of probabilities, which says no more than how many there are."""
    nodes = [
        NODE("ReduceMax", ["x"], ["most"], keepdims=0, axes=[1]),
        NODE("Cast", ["most"], ["label"], to=F.INT64),
        NODE("Softmax", ["x"], ["chances"], axis=1),
    ]
    nodes[0].ClearField("attribute")
    nodes[0].attribute.append(helper.make_attribute("keepdims", 0))
    nodes[0].input.append("axis")
    graph = of_columns(
        [("x", F.FLOAT, [None, 3])],
        nodes,
        [("label", F.INT64, [None]), ("chances", F.FLOAT, [None, 3])],
        [numpy_helper.from_array(np.array([1]), "axis")],
    )
    predictor = serve(graph, file="m.onnx", save=save, input=THREE, output={"labels": ["a", "b", "c"]})
    assert ["c", "a"] == predictor([[0, 1, 2], [0, 0, 0]]).labels
    with pytest.raises(RefusedInstance, match="the graph answers 9, which is none of its 3 classes") as refused:
        predictor([[0, 1, 2], [9, 1, 1]])
    assert 1 == refused.value.row


def test_probabilities_of_other_classes_are_told_when_the_model_is_tried(serve: Serve) -> None:
    graph = chooser("place", "shares", classes=["a", "b", "c", "d"])
    with pytest.raises(Exception, match="the graph gives 3 probabilities for 4 classes"):
        serve(graph, file="m.onnx", save=save, input=THREE, output={"probabilities": True})


def test_several_outputs_are_one_list_for_each_instance(serve: Serve) -> None:
    graph = chooser("top", "shares", "place")
    keys = {"file": "m.onnx", "input": THREE, "graph_outputs": {"predict": ["top", "shares"]}}
    predictor = serve(graph, save=save, **keys)
    expected = np.hstack([np.float32([[0.7], [0.5], [0.6]]), SHARES])
    assert pytest.approx(expected) == np.array(predictor(ROWS).result)
    assert (4,) == predictor.facts.result.lengths
    assert "regressor" == predictor.facts.kind


def test_a_regressor_of_several_targets_answers_as_scikit_learn_does(serve: Serve) -> None:
    estimator = RandomForestRegressor(4, random_state=0).fit(X, np.column_stack([y, 2 * y, X[:, 0]]))
    predictor = serve(to_onnx(estimator, X[:1].astype(np.float32)), file="m.onnx", save=save)
    assert pytest.approx(estimator.predict(X), rel=1e-5) == np.array(predictor(X.tolist()).result)


def test_several_labels_of_an_instance_are_a_list(serve: Serve) -> None:
    nodes = [NODE("Cast", ["x"], ["labels"], to=F.INT64)]
    graph = of_columns([("x", F.FLOAT, [None, 3])], nodes, [("labels", F.INT64, [None, 3])])
    assert [[1, 0, 2], [4, 5, 6]] == serve(graph, file="m.onnx", save=save, input=THREE)([[1, 0, 2], [4, 5, 6]]).result


RESULTS = {
    "int64": (F.INT64, [1, 0, 2]),
    "int32": (F.INT32, [1, 0, 2]),
    "uint8": (F.UINT8, [1, 0, 2]),
    "float16": (F.FLOAT16, [1.0, 0.0, 2.0]),
    "float": (F.FLOAT, [1.0, 0.0, 2.0]),
    "double": (F.DOUBLE, [1.0, 0.0, 2.0]),
    "bool": (F.BOOL, [True, False, True]),
    "string": (F.STRING, ["1", "0", "2"]),
}


@pytest.mark.parametrize("kind", RESULTS)
def test_results_of_every_type_are_json_of_it(kind: str, serve: Serve) -> None:
    number, expected = RESULTS[kind]
    nodes = [NODE("Cast", ["x"], ["y"], to=number)]
    one = {"type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": 1}
    graph = of_columns([("x", F.FLOAT, [None, 1])], nodes, [("y", number, [None, 1])])
    result = serve(graph, file="m.onnx", save=save, input=one)([[1], [0], [2]]).result
    assert (expected, [*map(type, expected)]) == (result, [*map(type, result)])


def test_a_label_that_is_true_or_false_has_two_classes(serve: Serve) -> None:
    nodes = [NODE("Greater", ["x", "half"], ["y"])]
    tensors = [numpy_helper.from_array(np.float32([0.5]), "half")]
    one = {"type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": 1}
    graph = of_columns([("x", F.FLOAT, [None, 1])], nodes, [("y", F.BOOL, [None, 1])], tensors)
    prediction = serve(graph, file="m.onnx", save=save, input=one, output={"labels": ["low", "high"]})([[1], [0]])
    assert ([True, False], ["high", "low"]) == (prediction.result, prediction.labels)


def test_a_threshold_chooses_by_the_probabilities_of_a_graph(serve: Serve) -> None:
    estimator = LogisticRegression(max_iter=500).fit(X[:100], np.array(["no", "yes"])[y[:100]])
    graph = to_onnx(estimator, X[:1].astype(np.float32), options={id(estimator): {"zipmap": False}})
    predictor = serve(graph, file="m.onnx", save=save, threshold={"yes": 0.9})
    expected = np.where(estimator.predict_proba(X)[:, 1] >= 0.9, "yes", "no")
    assert expected.tolist() == predictor(X.tolist()).result


def test_the_outputs_that_an_entry_names_are_pinned(tmp_path: Path) -> None:
    """Since another output gives other answers; `lock` accepts it."""
    from engine.models import lock_models

    save(chooser("top", "place", "shares"), tmp_path / "m.onnx")
    (tmp_path / "routes.yaml").write_text('{"routes": [{"path": "/", "model": "m"}]}')
    entry: dict[str, Any] = {"file": "m.onnx", "input": THREE, "graph_outputs": {"predict": "place"}}

    def write() -> None:
        (tmp_path / "models.yaml").write_text(json.dumps({"models": {"m": entry}}))

    write()
    lock_models(tmp_path / "routes.yaml")
    build_app(load_spec(tmp_path / "routes.yaml"))
    entry["graph_outputs"] = {"predict": "shares"}
    write()
    with pytest.raises(Exception, match=r"the graph_outputs are \{\"predict\": \[\"shares\"\]\} here and"):
        build_app(load_spec(tmp_path / "routes.yaml"))
