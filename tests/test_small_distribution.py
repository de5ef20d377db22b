"""The distribution that only serves: what it needs, what it lacks, and what it says then."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from conftest import ROOT
from packaging.requirements import Requirement

from engine.commands import cli
from engine.models import to_compile


@pytest.mark.exhaustive
def test_it_installs_and_runs_from_another_folder(tmp_path: Path) -> None:
    """Installed without its dependencies into a folder of its own, which comes before the editable install."""
    site, elsewhere, source = tmp_path / "site", tmp_path / "elsewhere", tmp_path / "source"
    elsewhere.mkdir()
    shutil.copytree(ROOT / "engine", source / "engine", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "docs", "examples", "serve-only"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site)]
    subprocess.run([*pip, str(source / "serve-only")], check=True, capture_output=True)
    assert {"engine"} == {
        path.name for path in site.iterdir() if not path.name.endswith("-info") and path.name != "bin"
    }
    (elsewhere / "routes.yaml").write_text("routes:\n  - path: /\n    response: Hello\n")
    ours = f"import engine; print(engine.__file__); {RUN}"
    done = subprocess.run(
        [sys.executable, "-c", ours],
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (f"{site}/engine/__init__.py\nHello", "", 0) == (done.stdout, done.stderr, done.returncode)


RUN = "import sys; sys.argv = ['engine', 'call', 'GET', '/']; from engine.commands import main; main()"


COMPILING = {"joblib", "onnx", "onnxruntime", "scikit-learn", "skl2onnx"}


def project_of(file: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / file).read_text())


def test_the_distribution_that_only_serves_is_the_whole_one_without_what_compiling_takes() -> None:
    """Same version, same files of the package, and the same bounds for what both need."""
    whole, small = project_of("pyproject.toml"), project_of("serve-only/pyproject.toml")
    for key in ("version", "requires-python", "license", "scripts"):
        assert whole["project"][key] == small["project"][key], f"serve-only/pyproject.toml has another {key}"
    assert whole["tool"]["setuptools"]["package-data"] == small["tool"]["setuptools"]["package-data"]
    declared, fewer = ({*one["project"]["dependencies"]} for one in (whole, small))
    assert (set(), COMPILING) == (fewer - declared, {Requirement(one).name for one in declared - fewer})
    extras = small["project"]["optional-dependencies"]
    assert {*extras["onnx"]} <= declared
    assert whole["project"]["optional-dependencies"]["redis"] == extras["redis"]


def test_nothing_that_it_depends_on_brings_those_libraries_in() -> None:
    closure = runpy.run_path(str(ROOT / "benchmarks" / "sizes.py"))["closure"]
    needed = closure(map(Requirement, project_of("serve-only/pyproject.toml")["project"]["dependencies"]))
    assert "numpy" in needed
    assert not needed & {*COMPILING, "pandas", "scipy", "skops"}


STUBBED = "joblib onnx onnxruntime pandas scipy skl2onnx sklearn skops".split()


def run_small(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command as where only what serving needs is installed."""
    absent = f"import sys; sys.modules.update(dict.fromkeys({STUBBED})); sys.argv = ['engine', *{arguments}]"
    script = f"{absent}; from engine.commands import main; main()"
    return subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False)


def test_without_these_libraries_a_service_without_models_is_checked_and_answers(tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text("routes:\n  - path: /\n    response: Hello\n")
    done = run_small(tmp_path, "call", "GET", "/")
    assert ("Hello", "", 0) == (done.stdout, done.stderr, done.returncode)


LACK = (
    "joblib, onnx, onnxruntime, skl2onnx and scikit-learn are needed to open and compile a model file, and not "
    "installed: pip install joblib onnx onnxruntime skl2onnx scikit-learn"
)


@pytest.mark.usefixtures("in_place")
def test_what_is_lacking_is_named_in_one_sentence(spec_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.models.restoring.needed_libraries.find_spec", lambda _: None)
    monkeypatch.setenv("ENGINE_CACHE_DIR", str(spec_folder / "cache"))
    for name in ("routes.yaml", "models.yaml"):
        shutil.copy(ROOT / name, spec_folder)
    done = CliRunner().invoke(cli, ["check"], standalone_mode=False)
    assert {LACK} == {one.message for one in done.exception.diagnostics}
    assert "models.yaml:4:11" == str(done.exception.diagnostics[0].place)
    done = CliRunner().invoke(cli, ["init", "build/model.pkl", "-r", "new.yaml", "-m", "new-models.yaml"])
    assert [f"build/model.pkl: error: {LACK}"] == [str(one) for one in done.exception.diagnostics]
    assert not (spec_folder / "new.yaml").exists()


@pytest.mark.usefixtures("in_place")
def test_a_serving_only_installation_says_that_it_serves_bundles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.models.restoring.needed_libraries.find_spec", lambda _: None)
    monkeypatch.setattr("engine.installed.version", version_of_serving_only)
    assert f"{LACK}; or serve a bundle: this is the serving-only installation" == to_compile(Path("m.pkl"))


def version_of_serving_only(name: str) -> str:
    """As where only this distribution is installed."""
    if name != "endpoint-engine-serve":
        raise PackageNotFoundError(name)
    return "1.2"
