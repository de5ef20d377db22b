"""docs/architecture.md shows the folders as they are: its pictures are the imports, its tables have every folder."""

from __future__ import annotations

import re
from itertools import pairwise

import grimp
import pytest
from conftest import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text()
PICTURES = dict(zip(("engine", "engine.models"), re.findall(r"```mermaid\n(.*?)```", PAGE, re.DOTALL), strict=True))


def arrows(package: str) -> set[tuple[str, str]]:
    return set(re.findall(r"(\w+) --> (\w+)", PICTURES[package]))


def imports(package: str, drawn: set[str]) -> dict[str, set[str]]:
    """Return which of the folders and modules that are drawn each of them imports."""
    graph = grimp.build_graph("engine", include_external_packages=False, cache_dir=None)
    found: dict[str, set[str]] = {name: set() for name in drawn}

    def part(module: str) -> str:
        return module.removeprefix(f"{package}.").partition(".")[0] if module.startswith(f"{package}.") else ""

    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            one, other = part(module), part(imported)
            if one != other and {one, other} <= drawn:
                found[one].add(other)
    return found


def reachable(found: dict[str, set[str]], begin: str) -> set[str]:
    seen: set[str] = set()
    waiting = [begin]
    while waiting:
        new = found[waiting.pop()] - seen
        seen |= new
        waiting += new
    return seen


@pytest.mark.parametrize("package", PICTURES)
def test_the_picture_shows_the_imports_that_no_longer_way_implies(package: str) -> None:
    drawn = {name for arrow in arrows(package) for name in arrow}
    found = imports(package, drawn)
    direct = {
        (one, other)
        for one, others in found.items()
        for other in others
        if not any(other in reachable(found, between) for between in others - {other})
    }
    assert direct == arrows(package)


@pytest.mark.parametrize("package", PICTURES)
def test_every_folder_is_in_the_picture_and_in_the_table(package: str) -> None:
    folder = ROOT.joinpath(*package.split("."))
    folders = {path.parent.name for path in folder.glob("*/__init__.py")}
    assert folders <= {name for arrow in arrows(package) for name in arrow}
    assert folders <= set(re.findall(r"^\| `(\w+)/?`", PAGE, re.MULTILINE))


def test_every_file_that_the_page_names_exists() -> None:
    """Names in backticks in the sections on folders are modules, folders or classes there."""
    code = "\n".join(path.read_text() for path in (ROOT / "engine").rglob("*.py"))
    stems = {part for path in (ROOT / "engine").rglob("*") for part in (path.stem, path.name)}
    text = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
    for name in re.findall(r"`([\w./]+)`", text):
        last = name.rstrip("/").split("/")[-1].removesuffix(".py")
        assert last in stems or re.search(rf"\b{re.escape(last.split('.')[-1])}\b", code), name


def test_sections_have_the_order_of_the_arrows_turned_round() -> None:
    """From what knows nothing of the rest to what knows all."""
    folders = re.findall(r"^## `(\w+)/`", PAGE, re.MULTILINE)
    found = imports("engine", {name for arrow in arrows("engine") for name in arrow})
    assert all(later not in reachable(found, earlier) for earlier, later in pairwise(folders))
