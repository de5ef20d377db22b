"""The package installs by itself, with its grammars, and runs from any folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from packaging.requirements import Requirement


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, as `make wheel` builds it, installed without its dependencies, before the editable install."""
    folder = tmp_path_factory.mktemp("package")
    source, site = folder / "source", folder / "site"
    source.mkdir()
    for name in ("Makefile", "pyproject.toml", "README.md", "LICENSE", "docs", "examples", "engine"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    (source / "build" / "lib" / "engine").mkdir(parents=True)
    (source / "build" / "lib" / "engine" / "removed.py").touch()
    here = Path(sys.executable).parent
    (source / "venv").mkdir()
    (source / "venv" / "bin").symlink_to(here)
    (source / "venv" / "engine").touch()  # which is newer than pyproject.toml, so that nothing is installed
    subprocess.run(["make", "wheel", "VENV=venv"], cwd=source, check=True, capture_output=True)
    (wheel,) = (source / "dist").iterdir()
    assert f"endpoint_engine-{project()['version']}-py3-none-any.whl" == wheel.name
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    return site


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.mark.exhaustive
def test_the_wheel_has_the_package_alone_as_it_is_now(site: Path) -> None:
    names = {path.name for path in site.iterdir() if not path.name.endswith("-info") and path.name != "bin"}
    assert {"engine"} == names
    suffixes = {".py", ".json", ".html", ".css", ".js", ".c", ".typed"}
    expected, installed = (
        {file.relative_to(folder) for file in folder.rglob("*") if file.suffix in suffixes or file.name == "py.typed"}
        for folder in (ROOT / "engine", site / "engine")
    )
    assert expected == installed


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ("--version", 0),
        ("serve --help", 0),
        ("check -r nowhere.yaml", 1),
        ("nothing", 2),
    ],
)
def test_engine_and_python_m_engine_are_the_same_in_another_folder(
    site: Path, tmp_path: Path, arguments: str, status: int
) -> None:
    (tmp_path / "routes.yaml").write_text("routes:\n  - path: /\n    response: Hello\n")
    found = [
        subprocess.run(
            [*command, *arguments.split()],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(site)},
            capture_output=True,
            text=True,
            check=False,
        )
        for command in ([str(site / "bin" / "engine")], [sys.executable, "-m", "engine"])
    ]
    script, module = ((done.stdout, done.stderr, done.returncode) for done in found)
    assert script == module
    assert status == module[2]
    if arguments == "--version":
        assert f"{project()['version']}\n" == module[0]


def test_the_changelog_begins_with_this_version_and_its_date() -> None:
    found = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    versions = [heading for heading in found if heading != "Unreleased"]
    assert re.fullmatch(rf"{re.escape(project()['version'])} - 20\d\d-\d\d-\d\d", versions[0])
    assert f"endpoint_engine-{project()['version']}-py3-none-any.whl" in (ROOT / "README.md").read_text()


def test_the_lock_file_has_a_hash_for_every_dependency_and_names_no_host() -> None:
    """Of all that is declared, extras too, in a version that the declaration allows; if not: `make lock`."""
    text = (ROOT / "requirements.lock").read_text()
    locked = re.findall(r"^([a-z0-9-]+)==(\S+)(?: ;.*)? \\\n    --hash=sha256:[0-9a-f]{64}", text, re.MULTILINE)
    assert len(re.findall(r"^[^ #\n]", text, re.MULTILINE)) == len(locked)
    extras = project()["optional-dependencies"]
    declared = [project()["dependencies"], *(extras[name] for name in ("pandas", "parquet", "redis", "skops", "smoke"))]
    for wanted in map(Requirement, (line for lines in declared for line in lines)):
        if wanted.name != project()["name"]:
            versions = [version for name, version in locked if name == wanted.name]
            assert versions, f"{wanted.name} is not in requirements.lock"
            assert all(map(wanted.specifier.contains, versions)), f"{wanted}: requirements.lock has {versions}"
    assert "://" not in text
