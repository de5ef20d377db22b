"""The pages say what is so: their commands run, their specs load, and what is generated is up to date."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from serving import Server, command_length, serving

from engine.models import compile_models
from engine.spec import load_spec

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SAMPLE = ("routes.yaml", "models.yaml", "train.py", "examples")
BROKEN = "routes:\n  - path: /hello\n    metods: [POST]\n    response: hi\n  - path: /predict\n    model: irsi\n"


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)


def commands(page: Path) -> Iterator[tuple[str, str]]:
    """Each command of a page with the output that it shows."""
    for block in blocks(page, "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = part.splitlines(keepends=True)
            length = command_length(lines)
            yield "".join(lines[:length]).strip(), "".join(lines[length:])


@pytest.fixture
def clone(tmp_path: Path, tutorial_file: Path) -> Path:
    """The sample service, trained, in a folder of its own."""
    return copy_of_sample(tmp_path, tutorial_file)


@pytest.fixture
def small_clone(tmp_path: Path, iris_file: Path) -> Path:
    """The same with fewer trees, where no answer is looked at."""
    return copy_of_sample(tmp_path, iris_file)


def copy_of_sample(folder: Path, model: Path) -> Path:
    for name in SAMPLE:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    (folder / "build").mkdir(exist_ok=True)
    shutil.copytree(model.parent, folder / "build", dirs_exist_ok=True)
    return folder


def served_by(command: str) -> list[str] | None:
    """The arguments with which a command serves, or None where it does not."""
    if command == "make serve":
        return []
    return command.split()[4:] if command.startswith(".venv/bin/python -m engine serve") else None


# The commands of docs/updating.md build on each other; tests/test_updating.py runs them.
RUN = [page for page in PAGES if "```console" in page.read_text() and page.name != "updating.md"]


@pytest.mark.exhaustive
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.name)
def test_every_command_of_a_page_prints_what_the_page_shows(page: Path, clone: Path) -> None:
    ran = 0
    server: Server | None = None
    with contextlib.ExitStack() as running:
        for command, shown in commands(page):
            arguments = served_by(command)
            if arguments is not None:
                running.close()
                server = running.enter_context(serving(clone, *arguments))
                continue
            if command.startswith("make "):
                assert re.search(rf"^{command.split()[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
                continue
            if command.endswith("engine check"):
                (clone / "routes.yaml").write_text(BROKEN)
            here = command.replace(".venv/bin/python", sys.executable).replace("curl ", "curl -s ", 1)
            here = here.replace("127.0.0.1:5000", f"127.0.0.1:{server.port}") if server else here
            done = subprocess.run(["bash", "-c", here], cwd=clone, capture_output=True, text=True, check=False)
            assert shown.rstrip("\n") == (done.stdout or done.stderr).replace(f"{clone}/", "").rstrip("\n")
            ran += 1
    assert ran or page.name == "CONTRIBUTING.md"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_spec_of_a_page_loads(page: Path, small_clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page's models stand for all of its routes, and a block that begins with the name of a file is that file."""
    monkeypatch.setenv("CI_KEY", "a-key-of-16-characters")
    found = [(block, yaml.safe_load(block)) for block in blocks(page, "yaml")]
    others = {block: named[1] for block, _ in found if (named := re.match(r"# (\S+/\S+\.(?:yaml|json))\n", block))}
    for block, name in others.items():
        (small_clone / name).parent.mkdir(exist_ok=True)
        (small_clone / name).write_text(block)
        (small_clone / name).with_name("help.html").touch()
    models = next((block for block, value in found if "models" in value), None)
    for block, value in found:
        if block in others:
            continue
        if "routes" in value:
            (small_clone / "routes.yaml").write_text(block)
        if models:
            (small_clone / "models.yaml").write_text(models)
        compile_models(load_spec(small_clone / "routes.yaml"))


def test_the_generated_pages_are_up_to_date() -> None:
    check = [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stderr)


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"], ids=lambda page: page.name)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if not target.startswith(("http://", "https://")):
            path, _, fragment = target.partition("#")
            linked = (page.parent / path).resolve() if path else page
            assert linked.exists(), target
            if fragment:
                headings = re.findall(r"^#+ (.*)$", linked.read_text(), re.MULTILINE)
                assert fragment in {heading.lower().replace(" ", "-") for heading in headings}


def test_the_readme_fits_on_a_screen_or_two() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 130


def test_pages_and_messages_name_packages_that_any_index_has() -> None:
    """The engine itself may come from anywhere, so that no extra of it is named."""
    files = [*PAGES, *sorted((ROOT / "engine").rglob("*.py"))]
    named = [one for file in files for one in re.findall(r"pip install [^\n\"\`]*", file.read_text())]
    assert not [one for one in named if "endpoint-engine" in one]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    needed = {re.match(r"[a-z]+", one)[0] for extra in ("pandas", "redis", "skops") for one in extras[extra]}
    told = (ROOT / "docs" / "serving.md").read_text().partition("**Packages.**")[2].partition("\n\n")[0]
    assert needed == {*re.findall(r"`([a-z]+)`", told)} - {"check"}
