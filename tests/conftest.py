"""What tests share: trained models, and specs in a folder of their own."""

from __future__ import annotations

import runpy
import shutil
from collections.abc import Callable
from pathlib import Path

import flask
import pytest

from engine import create_app

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def iris_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tutorial's model, trained by train.py."""
    file = tmp_path_factory.mktemp("iris") / "model.pkl"
    runpy.run_path(str(ROOT / "train.py"))["main"](file)
    return file


@pytest.fixture
def spec_folder(tmp_path: Path, iris_file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with the tutorial's model at build/model.pkl, made the working directory."""
    (tmp_path / "build").mkdir()
    shutil.copy(iris_file, tmp_path / "build")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def app_of(spec_folder: Path) -> Callable[..., flask.Flask]:
    """Make an app from the text of routes.yaml and, where there is one, of models.yaml."""

    def make(routes: str, models: str | None = None) -> flask.Flask:
        (spec_folder / "routes.yaml").write_text(routes)
        if models is not None:
            (spec_folder / "models.yaml").write_text(models)
        return create_app(spec_folder / "routes.yaml")

    return make
