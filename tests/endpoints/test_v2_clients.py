"""Clients of the protocol, each in an environment of its own, ask a real server, and get what the estimators answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import joblib
import numpy as np
import pytest
from client_environments import ask_with
from modelling import NAMES
from serving import Server, serving
from wire_models import PEOPLE, SPECIES, write_wire_service

ROWS = np.array([[5.9, 3.0, 5.1, 1.8], [7.9, 2.8, 4.0, 1.3], [5.1, 3.5, 1.4, 0.2]])
FEATURES = "the features are: sepal_length, sepal_width, petal_length, petal_width"

pytestmark = pytest.mark.exhaustive


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("wires")
    write_wire_service(folder, {"title": "Wires", "version": "1.2.3", "protocols": ["v2", "v1"]})
    with serving(folder, "-w", "1") as running:
        yield running


def estimator(server: Server, name: str) -> Any:
    return joblib.load(server.folder / f"{name}.pkl")


def of_species(server: Server, rows: Any) -> tuple[list[int], list[list[float]], list[str]]:
    """The results, probabilities and labels that scikit-learn gives."""
    import pandas as pd

    model, frame = estimator(server, "species"), pd.DataFrame(rows, columns=list(NAMES))
    result = model.predict(frame).tolist()
    return result, model.predict_proba(frame).tolist(), [SPECIES[one] for one in result]


def typed(*answers: Any) -> list[Any]:
    return [[answer, dtype] for answer, dtype in zip(answers, ("int64", "float64", "object"), strict=True)]


def test_tritonclient_gets_what_the_estimator_answers(server: Server) -> None:
    found = ask_with("triton", f"127.0.0.1:{server.port}")
    expected = typed(*of_species(server, ROWS))
    for way in ("default", "narrow", "apart", "json", "json in, binary out", "binary in, json out", "of a version"):
        assert expected == found[way], way
    assert expected == found["parameters"]
    assert 9 == len(found["coded"])
    assert all(expected == answer for answer in found["coded"].values())
    assert ["42", [expected[2], expected[0]], None] == found["mixed"]


def test_tritonclient_reads_what_there_is(server: Server) -> None:
    found = ask_with("triton", f"127.0.0.1:{server.port}")
    assert [True, True, True] == found["live"]
    assert [True, False] == found["versions"]
    assert {"name": "Wires", "version": "1.2.3", "extensions": ["binary_tensor_data"]} == found["server"]
    assert ["species", "same", "line", "mood", "people"] == found["index"]
    inputs = {"plan": "BYTES", "age": "INT64", "score": "FP64", "member": "BOOL"}
    described = found["model"]
    assert [{"name": name, "datatype": kind, "shape": [-1]} for name, kind in inputs.items()] == described["inputs"]
    assert [
        {"name": "predict", "datatype": "BYTES", "shape": [-1]},
        {"name": "predict_proba", "datatype": "FP64", "shape": [-1, 2]},
    ] == described["outputs"]


def test_tritonclient_sends_every_datatype(server: Server) -> None:
    found = ask_with("triton", f"127.0.0.1:{server.port}")
    same = [[[0.0, 1.0, 2.0], [3.0, 4.0, 100.0]], "float64"]
    assert ["422", "422"] == found["numbers"].pop("bool")
    assert {name: [same, same] for name in found["numbers"]} == found["numbers"]
    assert 11 == len(found["numbers"])
    assert [[[["good", "bad"], "object"]]] * 4 == found["texts"]
    rows = PEOPLE.iloc[[0, 3]].assign(score=[np.nan, 2.0])
    people = estimator(server, "people")
    result, chances = found["people"]
    assert [people.predict(rows).tolist(), "object"] == result
    np.testing.assert_allclose(people.predict_proba(rows), chances[0], rtol=1e-9)


def test_tritonclient_reads_errors(server: Server) -> None:
    found = ask_with("triton", f"127.0.0.1:{server.port}")["refused"]
    assert ["404", 'there is no model "none" (the models are: line, mood, people, same, species)'] == found["model"]
    assert ["404", "no route matches /v2/models/species/config"] == found["config"]
    assert "404" == found["version"][0]
    assert found["version"][1].startswith('species has no version "1"; its version is ')
    assert ["400", 'there is no output "x"; the outputs are: predict, predict_proba, labels'] == found["output"]
    assert "422" == found["shape"][0]
    assert found["shape"][1].endswith(FEATURES)
    assert ["422", "1 violation: row 1, sepal_length: 8.9 is greater than the maximum of 7.9"] == found["value"]


def test_kserve_gets_the_same_by_both_protocols(server: Server) -> None:
    found = ask_with("kserve", f"http://127.0.0.1:{server.port}")
    result, chances, labels = of_species(server, ROWS[:2])
    expected = ["42", "species", {"predict": result, "predict_proba": chances, "labels": labels}]
    assert [True, True, True, False] == found["v2 live"]
    assert 5 == len(found["v2"])
    assert all(expected == answer for answer in found["v2"].values())
    assert ["42", "species", {"predict": result}] == found["v2 wanted"]
    assert labels == found["v2 labels"]
    assert 'there is no output "x"; the outputs are: predict, predict_proba, labels' == found["v2 refused"]
    assert [True, True] == found["v1 live"]
    assert [{"predictions": result}] * 2 == found["v1"]


def test_codecs_of_mlserver_read_the_answers_to_what_they_send(server: Server) -> None:
    found = ask_with("mlserver", f"http://127.0.0.1:{server.port}")
    result, chances, labels = of_species(server, ROWS[:2])
    assert result == found["numpy"]
    assert chances == found["numpy of one output"]
    assert labels == found["text of one output"]
    assert {"predict": result, "labels": labels} == found["pandas"]
    rows = PEOPLE.iloc[[0, 3]].assign(score=[np.nan, 2.0])
    people = estimator(server, "people").predict(rows).tolist()
    assert people == found["people"]
    assert [["str", "pd_json", "pd_json"], people] == found["json texts"]
    assert estimator(server, "mood").predict(["good day", "bad day"]).tolist() == found["text"]


def test_the_client_of_the_protocols_own_description_reads_everything(server: Server) -> None:
    found = ask_with("openinference", f"http://127.0.0.1:{server.port}")
    (result,), (chances,), (label,) = of_species(server, ROWS[:1])
    assert {"name": "Wires", "version": "1.2.3", "extensions": ["binary_tensor_data"]} == found["server"]
    assert [{"name": name, "datatype": "FP64", "shape": [-1]} for name in NAMES] == found["inputs"]
    assert [True, True] == [found["same"], found["of a version"]]
    answer = found["answer"]
    assert ("species", "42") == (answer["model_name"], answer["id"])
    assert [[result], chances, [label]] == [one["data"] for one in answer["outputs"]]
    assert [404, 'there is no model "none" (the models are: line, mood, people, same, species)'] == found["missing"]
    assert 400 == found["malformed"][0]
