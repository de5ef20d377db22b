"""What is followed of a spec in several files: each file that is read, and the names that match a pattern."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.server.checking import SpecSource, check_spec, read_spec, stamp_files
from engine.spec import FilePattern

ROUTES = """
routes:
  - {path: /, response: hello, input: {$ref: schemas/a.yaml}, methods: [POST]}
  - include: more/*.yaml
"""
MORE = "routes: [{path: /more%d, response: {file: page.html}}]"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for folder in ("more", "schemas"):
        (tmp_path / folder).mkdir()
    (tmp_path / "routes.yaml").write_text(ROUTES)
    (tmp_path / "more" / "1.yaml").write_text(MORE % 1)
    (tmp_path / "more" / "page.html").write_text("page")
    (tmp_path / "schemas" / "a.yaml").write_text("type: object")
    return tmp_path


def test_every_file_and_pattern_has_a_stamp(home: Path) -> None:
    source = SpecSource(str(home / "routes.yaml"), None)
    expected = {
        *(home / name for name in ("routes.yaml", "models.yaml", "more/1.yaml", "more/page.html", "schemas/a.yaml")),
        FilePattern(home, "more/*.yaml"),
    }
    assert (expected, expected) == (set(check_spec(source).stamps), set(read_spec(source).stamps))


@pytest.mark.parametrize("change", ["new", "removed", "changed", "schema", "page"])
def test_a_change_is_noticed(home: Path, change: str) -> None:
    stamps = check_spec(SpecSource(str(home / "routes.yaml"), None)).stamps
    assert stamps == stamp_files(stamps)
    (home / "more" / "notes.txt").write_text("no change of the spec")
    assert stamps == stamp_files(stamps)
    if change == "new":
        (home / "more" / "2.yaml").write_text(MORE % 2)
    elif change == "removed":
        (home / "more" / "1.yaml").unlink()
    else:
        name = {"changed": "more/1.yaml", "schema": "schemas/a.yaml", "page": "more/page.html"}[change]
        (home / name).write_text("{type: array}")
    assert stamps != stamp_files(stamps)


def test_a_pattern_that_matches_nothing_yet_is_followed(home: Path) -> None:
    (home / "more" / "1.yaml").unlink()
    outcome = check_spec(SpecSource(str(home / "routes.yaml"), None))
    assert outcome.snapshot is None
    (home / "more" / "2.yaml").write_text(MORE % 2)
    assert outcome.stamps != stamp_files(outcome.stamps)
    assert check_spec(SpecSource(str(home / "routes.yaml"), None)).snapshot is not None


def test_what_has_been_read_is_not_read_again(home: Path) -> None:
    source = SpecSource(str(home / "routes.yaml"), None)
    known = read_spec(source)
    (home / "routes.yaml").write_text("broken")
    outcome = check_spec(source, known=known)
    assert outcome.snapshot is not None
    assert outcome.stamps != stamp_files(outcome.stamps)
