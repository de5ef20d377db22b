"""Models that are ONNX graphs already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from modelling import OBJECT, Serve, X, message, y
from skl2onnx import to_onnx
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression

from engine.errors import RefusedInstance, SpecError


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
        ({"input": {"type": "string"}}, "the model takes 4 features, not texts; its input is an object or an array"),
        ({"input": {"type": "number"}}, "the model takes 4 features, and an instance that is a number is one"),
        ({"output": {"labels": ["a", "b"]}}, "2 labels for 3 classes (0, 1, 2); name each class once, in this order"),
        ({"response_method": "transform"}, "the graph has no transform; a graph has predict"),
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
    assert message(refused).startswith("the file is no ONNX graph")


def test_a_graph_with_data_elsewhere_is_refused(serve: Serve) -> None:
    graph = graph_of(LinearRegression().fit(X, y))
    tensor = onnx.helper.make_tensor("far", onnx.TensorProto.FLOAT, [1], [0.0])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    graph.graph.initializer.append(tensor)
    with pytest.raises(SpecError) as refused:
        serve(graph, file="m.onnx", save=save)
    assert "the graph keeps data in other files; save it in one: save_as_external_data=False" == message(refused)
