"""What tests share: trained models, and specs in a folder of their own."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import runpy
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flask
import joblib
import pytest
from bundling import make_service
from modelling import ROW
from serving import Server, serving

from engine import create_app
from engine.models import Predictor, compile_models
from engine.spec import load_spec

ROOT = Path(__file__).parent.parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave tests that drive whole services to `make test-all`."""
    for item in items:
        if ROOT / "tests" / "faults" in item.path.parents:
            item.add_marker(pytest.mark.exhaustive)


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One cache of compiled models for the whole run, of its own, and for all processes that share the work."""
    base = tmp_path_factory.getbasetemp()
    cache = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    cache.mkdir(mode=0o700, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENGINE_CACHE_DIR", str(cache))
        yield


@pytest.fixture(scope="session")
def iris_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tutorial's model with fewer trees, which are compiled and proven in a moment."""
    return train_iris(tmp_path_factory, trees=20)


@pytest.fixture(scope="session")
def tutorial_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tutorial's model, as train.py makes it."""
    return train_iris(tmp_path_factory)


def train_iris(tmp_path_factory: pytest.TempPathFactory, **keys: int) -> Path:
    file = tmp_path_factory.mktemp("iris") / "model.pkl"
    runpy.run_path(str(ROOT / "train.py"))["main"](file, **keys)
    return file


@pytest.fixture
def spec_folder(tmp_path: Path, iris_file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with the tutorial's model at build/model.pkl, made the working directory."""
    (tmp_path / "build").mkdir()
    shutil.copytree(iris_file.parent, tmp_path / "build", dirs_exist_ok=True)
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


@pytest.fixture
def serve(tmp_path: Path) -> Callable[..., Predictor]:
    """Save an estimator, name it in a spec with the given keys, and compile it."""

    def make(
        estimator: Any, *, file: str = "model.pkl", save: Callable[..., Any] = joblib.dump, **keys: Any
    ) -> Predictor:
        if estimator is not None:
            save(estimator, tmp_path / file)
        (tmp_path / "routes.yaml").write_text('{"routes": [{"path": "/", "model": "m"}]}')
        models = {"models": {"m": {"file": file, "input": ROW, **keys}}}
        (tmp_path / "models.yaml").write_text(json.dumps(models, indent=1))
        return compile_models(load_spec(tmp_path / "routes.yaml"))["m"]

    return make


@pytest.fixture
def save_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Save an estimator of somebody's own as slow.pkl: the class Slow of a module whose text is given."""
    return lambda module: save_slow_in(tmp_path, module, monkeypatch)


def save_slow_in(folder: Path, module: str, patch: pytest.MonkeyPatch) -> None:
    (folder / "slow_module.py").write_text(module)
    patch.syspath_prepend(folder)
    patch.delitem(sys.modules, "slow_module", raising=False)
    joblib.dump(importlib.import_module("slow_module").Slow().fit(None, None), folder / "slow.pkl")


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory, iris_file: Path) -> Path:
    """A service with a compiled model, a page and a list of keys, and the bundle of it: service.zip."""
    folder = tmp_path_factory.mktemp("service")
    make_service(folder, iris_file)
    return folder


@pytest.fixture
def service(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The bundle alone, in another folder, which is the working directory, and where the title is another."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENGINE_TEST_TITLE", "served there")
    Path("service.zip").write_bytes((home / "service.zip").read_bytes())
    return Path("service.zip")


@pytest.fixture
def in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open models in this process, for commands that a test runs in it: where it can patch what they call, and soon."""

    def work_here(work: Callable[..., Any], *arguments: Any, hear: Callable[[Any], None]) -> Any:
        return work(*arguments, hear)

    for module in (
        "engine.isolation",
        "engine.models.compiling.run_with_models",
        "engine.server.checking",
    ):
        monkeypatch.setattr(f"{module}.run_isolated", work_here)


@pytest.fixture
def serve_here(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Serve the spec in the test's folder, with 2 workers."""
    with contextlib.ExitStack() as stack:

        def serve(*arguments: str) -> Server:
            return stack.enter_context(serving(tmp_path, "-w", "2", *arguments))

        yield serve
