"""`predict`: no file of a run takes the place of another, and what an interrupted run leaves spoils nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path

import joblib
import pytest
from modelling import NAMES, OBJECT, X, y
from predicting import predict, told
from sklearn.tree import DecisionTreeClassifier

HEADER = "id," + ",".join(NAMES)
FINE = f"{HEADER}\na,5.9,3.0,5.1,1.8\nb,5.1,3.5,1.40,.2\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("service")
    joblib.dump(DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, y), folder / "model.pkl")
    (folder / "routes.yaml").write_text('{"routes": [{"path": "/", "model": "m"}]}')
    (folder / "models.yaml").write_text(json.dumps({"models": {"m": {"file": "model.pkl", "input": OBJECT}}}))
    return folder


@pytest.fixture
def folder(service: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    request.getfixturevalue("in_place")
    monkeypatch.chdir(tmp_path)
    for file in service.iterdir():
        (tmp_path / file.name).symlink_to(file)
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(FINE)
    (tmp_path / "a.csv.jsonl").write_text("")
    (tmp_path / ".o.csv.part").write_text(FINE)
    (tmp_path / ".o.csv.part.json").write_text(FINE)
    (tmp_path / "link.csv").symlink_to("a.csv")
    (tmp_path / "hard.csv").hardlink_to(tmp_path / "b.csv")
    return tmp_path


OUTPUT, ERRORS = "name another file or folder with -o", "name another file or folder with --errors"
OVERWRITTEN = {
    "a report over the input": (
        ["a.csv", "-o", "o.csv", "--errors", "a.csv"],
        f"the report on a.csv would overwrite the input a.csv; {ERRORS}",
    ),
    "a report over the input, with predictions on stdout": (
        ["a.csv", "--errors", "./a.csv"],
        f"the report on a.csv would overwrite the input a.csv; {ERRORS}",
    ),
    "predictions over the input": (
        ["a.csv", "-o", "a.csv"],
        f"the predictions for a.csv would overwrite the input a.csv; {OUTPUT}",
    ),
    "through a link": (
        ["a.csv", "-o", "link.csv"],
        f"the predictions for a.csv would overwrite the input a.csv; {OUTPUT}",
    ),
    "by another name of the same file": (
        ["b.csv", "-o", "hard.csv"],
        f"the predictions for b.csv would overwrite the input b.csv; {OUTPUT}",
    ),
    "a report over another input": (
        ["a.csv", "a.csv.jsonl", "-o", "out/", "--errors", "."],
        f"the report on a.csv would overwrite the input a.csv.jsonl; {ERRORS}",
    ),
    "predictions and report": (
        ["a.csv", "-o", "o.csv", "--errors", "./o.csv"],
        f"the predictions for a.csv and the report on a.csv would be the same file, o.csv; {ERRORS}",
    ),
    "the predictions for one input and the report on another": (
        ["a.csv", "a.csv.jsonl", "-o", "out/", "--errors", "out/"],
        f"the report on a.csv and the predictions for a.csv.jsonl would be the same file, out/a.csv.jsonl; {OUTPUT}",
    ),
    "a temporary file over the input": (
        [".o.csv.part", "--format", "csv", "-o", "o.csv"],
        f"the temporary file .o.csv.part would overwrite the input .o.csv.part; {OUTPUT}",
    ),
    "the state over the input": (
        [".o.csv.part.json", "--format", "csv", "-o", "o.csv"],
        f"the temporary file .o.csv.part.json would overwrite the input .o.csv.part.json; {OUTPUT}",
    ),
    "a report over a temporary file": (
        ["a.csv", "-o", "o.csv", "--errors", ".o.csv.part"],
        f"the temporary file .o.csv.part and the report on a.csv would be the same file, .o.csv.part; {ERRORS}",
    ),
    "two outputs of the same name": (
        ["a.csv", "./a.csv", "-o", "out/"],
        "a.csv and ./a.csv would both be written to out/a.csv",
    ),
}


@pytest.mark.parametrize("case", OVERWRITTEN)
def test_no_file_of_a_run_is_another(case: str, folder: Path) -> None:
    arguments, wanted = OVERWRITTEN[case]
    before = {file: file.read_bytes() for file in folder.iterdir()}
    assert wanted == told("m", *arguments)
    assert before == {file: file.read_bytes() for file in folder.iterdir()}


def test_an_input_on_stdin_is_not_overwritten_either(folder: Path) -> None:
    descriptor = os.open(folder / "a.csv", os.O_RDONLY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.batch.outputs.apart.stdin_file", lambda: os.fstat(descriptor))
        wanted = f"the report on stdin would overwrite the input on stdin; {ERRORS}"
        assert wanted == told("m", "-", "--format", "csv", "--errors", "a.csv")
    os.close(descriptor)
    assert FINE == (folder / "a.csv").read_text()


@pytest.mark.usefixtures("folder")
def test_reports_may_stand_beside_predictions() -> None:
    done = predict("m", "a.csv", "b.csv", "-o", "out/", "--errors", "out/")
    assert 0 == done.exit_code, done.stderr
    assert ["a.csv", "a.csv.jsonl", "b.csv", "b.csv.jsonl"] == sorted(file.name for file in Path("out").iterdir())
