"""Model folders in bundles: what describes them is packed, and their files where scikit-learn serves."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from bundling import bundle, members_of, refused, rewrite, write_spec
from conftest import ROOT
from modelling import NAMES, NUMBER, OBJECT, row

from engine.bundle.unpack import unpack_bundle
from engine.models import restore_models

FOLDERS = ROOT / "tests" / "model_folders" / "mlflow3"
RATIO = row(**dict.fromkeys(NAMES[:2], NUMBER))
ROUTES: Any = {"routes": [{"path": "/", "model": "m"}]}


def packed(home: Path, patch: pytest.MonkeyPatch, name: str, place: str, **keys: Any) -> Path:
    """Bundle the model of a folder, delete that, and return the bundle."""
    service = home / "service"
    service.mkdir()
    shutil.copytree(FOLDERS / name, service / place)
    write_spec(service, ROUTES, m={"file": place, **keys})
    done = bundle(service, patch)
    assert 0 == done.exit_code, done.output
    shutil.rmtree(service / place)
    shutil.move(service / "service.zip", home / "moved.zip")
    return home / "moved.zip"


def answers(file: Path, name: str, columns: Sequence[str]) -> tuple[list[Any], list[Any]]:
    """What the bundled model answers to the rows of its folder, and what MLflow does."""
    spec, prepared = unpack_bundle(file)
    told = json.loads((FOLDERS / name / "answers.json").read_text())
    rows = [{key: one[key] for key in columns} for one in told["rows"]]
    return restore_models(spec, prepared)["m"](rows).result, told["answers"]


def test_a_bundle_has_the_description_of_a_compiled_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its signature still is held against the input, and its own file is not needed."""
    file = packed(tmp_path, monkeypatch, "xgboost-classifier", "../flowers", input=OBJECT)
    found, expected = answers(file, "xgboost-classifier", NAMES)
    assert expected == found
    own = sorted(name for name in members_of(file) if name.startswith("models/m/"))
    assert ["models/m/compiled", "models/m/folder/MLmodel", "models/m/folder/requirements.txt"] == own


def test_a_bundle_has_the_file_and_the_modules_of_a_model_that_is_not_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = packed(tmp_path, monkeypatch, "sklearn-code", "./ratio/", input=RATIO, allow_version_mismatch=True)
    found, expected = answers(file, "sklearn-code", NAMES[:2])
    assert expected == found
    assert {"models/m/file", "models/m/folder/MLmodel", "models/m/modules/ratios.py"} <= members_of(file).keys()


def test_a_bundle_with_another_description_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hash of the model covers its description, as it does in a folder."""
    file = packed(tmp_path, monkeypatch, "sklearn-code", "ratio", input=RATIO, allow_version_mismatch=True)
    rewrite(file, {"models/m/folder/MLmodel": members_of(file)["models/m/folder/MLmodel"] + b"\n"})
    assert f'{file}: error: "models/m/file" is not the model\'s file that its manifest names' == refused(file)
