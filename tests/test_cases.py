"""Behaviour as data: each folder in tests/cases has a spec and, in requests.yaml, requests with their exact answers.

tests/support/exact_answers.py says what they may contain. build/model.pkl is the tutorial's model with 20 trees, and
its probabilities are those that scikit-learn gives.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flask
import pytest
from conftest import ROOT
from exact_answers import read_requests, require_answer

from engine import create_app

EVERY_FOLDER = sorted(path.parent for path in (ROOT / "tests" / "cases").glob("*/requests.yaml"))
IN_ORDER = [folder for folder in EVERY_FOLDER if folder.name.startswith("sequences")]
FOLDERS = [folder for folder in EVERY_FOLDER if folder not in IN_ORDER]


def requests() -> Iterator[Any]:
    for folder in FOLDERS:
        for case in read_requests(folder):
            yield pytest.param(folder, case, id=f"{folder.name}: {case['name']}")


@pytest.fixture(scope="module")
def apps(iris_file: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Path, flask.Flask]:
    made = {}
    for folder in FOLDERS:
        copy = tmp_path_factory.mktemp(folder.name)
        shutil.copytree(folder, copy, dirs_exist_ok=True)
        (copy / "build").mkdir()
        shutil.copytree(iris_file.parent, copy / "build", dirs_exist_ok=True)
        made[folder] = create_app(copy / "routes.yaml")
    return made


@pytest.mark.parametrize(("folder", "case"), list(requests()))
def test_a_request_gets_its_answer(folder: Path, case: dict[str, Any], apps: dict[Path, flask.Flask]) -> None:
    require_answer(apps[folder], case)


@pytest.mark.parametrize("folder", IN_ORDER, ids=lambda folder: folder.name)
def test_requests_in_their_order_get_their_answers(folder: Path) -> None:
    app = create_app(folder / "routes.yaml")
    for case in read_requests(folder):
        require_answer(app, case)
