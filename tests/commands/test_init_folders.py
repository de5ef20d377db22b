"""`init` for model folders: the signature and the example say what the model itself does not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from conftest import ROOT

from engine import create_app
from engine.commands import cli

FOLDERS = ROOT / "tests" / "model_folders"
NAMES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]

pytestmark = pytest.mark.usefixtures("in_place")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["init", *arguments])


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, made the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def entry_of(name: str, *options: str) -> Any:
    """The entry that is written for a folder, which is copied into the working directory as `mine`."""
    shutil.copytree(FOLDERS / name, "mine")
    done = run("mine", "--allow-version-mismatch", *options)
    assert 0 == done.exit_code, done.output
    (entry,) = yaml.safe_load(Path("models.yaml").read_text())["models"].values()
    return entry


def test_an_entry_for_a_folder_has_the_signatures_columns_and_the_example() -> None:
    """Those that may be absent are not required, if the model answers without them."""
    entry = entry_of("mlflow3/sklearn-skops", "--trusted", "numpy.dtype")
    gaps = ["integer", "null"], ["number", "null"]
    assert {
        "type": "object",
        "required": ["rooms", "area", "district", "balcony"],
        "properties": {
            "rooms": {"type": gaps[0]},
            "area": {"type": gaps[1]},
            "district": {"enum": ["north", "south", "west"]},
            "balcony": {"type": "boolean"},
            "age": {"type": gaps[1]},
        },
    } == entry["input"]
    example = {"rooms": 5, "area": 72.6, "district": "south", "balcony": True, "age": 65}
    assert [example] == [one["input"] for one in entry["examples"]]
    assert ("mine", ["numpy.dtype"]) == (entry["file"], entry["trusted"])
    answer = create_app("routes.yaml").test_client().post("/predict", json=example)
    assert (200, entry["examples"][0]["result"]) == (answer.status_code, round(answer.json["result"][0], 6))
    assert (
        "# - age: optional in the model's signature, and the model handles missing values."
        in Path("models.yaml").read_text()
    )


def test_names_come_from_the_signature_where_the_model_knows_none() -> None:
    entry = entry_of("mlflow3/sklearn-columns")
    assert NAMES == [*entry["input"]["properties"]] == entry["input"]["required"]
    said = "# - the names: the model knows none, so they are those of its signature, in the order of its columns."
    assert said in Path("models.yaml").read_text()


def test_types_come_from_the_signature_where_the_model_knows_none() -> None:
    """A class outside of scikit-learn says nothing of its columns; without a signature, their types are guesses."""
    entry = entry_of("mlflow3/sklearn-code")
    assert {name: {"type": "number"} for name in NAMES[:2]} == entry["input"]["properties"]
    assert "guess" not in Path("models.yaml").read_text()


def test_the_method_that_mlflow_calls_is_the_response_method() -> None:
    entry = entry_of("mlflow3/sklearn-probabilities")
    assert "predict_proba" == entry["response_method"]
    told = json.loads((FOLDERS / "mlflow3/sklearn-probabilities/answers.json").read_text())
    answer = create_app("routes.yaml").test_client().post("/predict", json={"instances": told["rows"]})
    assert told["answers"] == answer.json["result"]


@pytest.mark.parametrize("name", ["mlflow2/sklearn-array", "mlflow3/sklearn-array"])
def test_an_example_of_an_array_has_the_made_up_names(name: str) -> None:
    entry = entry_of(name)
    assert {"x1": 5.1, "x2": 3.5, "x3": 1.4, "x4": 0.2} == entry["examples"][0]["input"]


def test_an_entry_for_a_folder_of_the_hub_has_its_columns_and_example() -> None:
    entry = entry_of("hub/table")
    assert NAMES == [*entry["input"]["properties"]]
    assert dict(zip(NAMES, (5.1, 3.5, 1.4, 0.2), strict=True)) == entry["examples"][0]["input"]


def test_an_entry_for_texts_of_the_hub_has_its_example() -> None:
    entry = entry_of("hub/texts")
    assert ("string", "good day", 1) == (
        entry["input"]["type"],
        entry["examples"][0]["input"],
        entry["examples"][0]["result"],
    )


def test_the_folder_in_which_a_command_runs_gives_its_name_to_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(FOLDERS / "mlflow3/onnx", "flowers")
    monkeypatch.chdir("flowers")
    assert 0 == run(".").exit_code
    assert ["flowers"] == [*yaml.safe_load(Path("models.yaml").read_text())["models"]]


def test_a_mistake_in_a_description_keeps_its_place() -> None:
    shutil.copytree(FOLDERS / "mlflow3/function", "own")
    assert str(run("own").exception).startswith("own/MLmodel:1:1: error: the only flavor is python_function: ")
    assert not Path("models.yaml").exists()


def test_skops_asks_for_trust_in_a_folder_too() -> None:
    shutil.copytree(FOLDERS / "mlflow3/sklearn-skops", "flats")
    assert "if you know them to be safe, add --trusted numpy.dtype" in str(run("flats").exception)
