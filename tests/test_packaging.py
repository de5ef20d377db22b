"""The package installs by itself, with its grammars, and runs from any folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from conftest import ROOT
from packaging.requirements import Requirement


@pytest.mark.exhaustive
def test_an_installed_package_runs_from_another_folder(tmp_path: Path) -> None:
    """Installed without its dependencies into a folder of its own, which comes before the editable install."""
    site, elsewhere, source = tmp_path / "site", tmp_path / "elsewhere", tmp_path / "source"
    elsewhere.mkdir()
    shutil.copytree(ROOT / "engine", source / "engine", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "docs", "examples"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(source)]
    subprocess.run(install, check=True, capture_output=True)
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


def test_the_lock_file_has_a_hash_for_every_dependency_and_names_no_host() -> None:
    """Of all that is declared, extras too, in a version that the declaration allows; if not: `make lock`."""
    text = (ROOT / "requirements.lock").read_text()
    locked = re.findall(r"^([a-z0-9-]+)==(\S+)(?: ;.*)? \\\n    --hash=sha256:[0-9a-f]{64}", text, re.MULTILINE)
    assert len(re.findall(r"^[^ #\n]", text, re.MULTILINE)) == len(locked)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    declared = [project["dependencies"], *(extras[name] for name in ("pandas", "parquet", "redis", "skops", "smoke"))]
    for wanted in map(Requirement, (line for lines in declared for line in lines)):
        if wanted.name != project["name"]:
            versions = [version for name, version in locked if name == wanted.name]
            assert versions, f"{wanted.name} is not in requirements.lock"
            assert all(map(wanted.specifier.contains, versions)), f"{wanted}: requirements.lock has {versions}"
    assert "://" not in text
