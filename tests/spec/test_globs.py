"""Patterns of names of files: what they match on a disk and in a bundle, and what they cost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.spec import globs
from engine.spec.globs import FilePattern, find_files, match_names

FILES = ("a.yaml", "b.yml", ".hidden.yaml", "x/c.yaml", "x/y/d.yaml", "x/y/z/a.yaml", ".git/e.yaml", "x/[1].yaml")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("files")
    for name in FILES:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).touch()
    (home / "folder.yaml").mkdir()
    return home


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.yaml", ["a.yaml"]),
        ("*", ["a.yaml", "b.yml"]),
        ("?.y*ml", ["a.yaml", "b.yml"]),
        ("[ab].*", ["a.yaml", "b.yml"]),
        ("x/*.yaml", ["x/[1].yaml", "x/c.yaml"]),
        ("x/[[]1].yaml", ["x/[1].yaml"]),
        ("*/*/*.yaml", ["x/y/d.yaml"]),
        ("**/*.yaml", ["a.yaml", "x/[1].yaml", "x/c.yaml", "x/y/d.yaml", "x/y/z/a.yaml"]),
        ("**/a.yaml", ["a.yaml", "x/y/z/a.yaml"]),
        ("x/**", ["x/[1].yaml", "x/c.yaml", "x/y/d.yaml", "x/y/z/a.yaml"]),
        ("x/**/**/d.yaml", ["x/y/d.yaml"]),
        (".*.yaml", [".hidden.yaml"]),
        (".git/*", [".git/e.yaml"]),
        ("X/*.yaml", []),
        ("nowhere/*.yaml", []),
        ("a.yaml/*", []),
    ],
)
def test_a_pattern_matches_the_same_names_on_a_disk_and_in_a_bundle(
    folder: Path, pattern: str, names: list[str]
) -> None:
    assert (names, names) == (find_files(folder, pattern), match_names(FILES, pattern))


@settings(deadline=None)
@given(steps=st.lists(st.sampled_from(["*", "**", "x", "y", "*.yaml", "?", "a.yaml", ".*"]), min_size=1, max_size=5))
def test_a_disk_and_a_bundle_agree(folder: Path, steps: list[str]) -> None:
    pattern = "/".join(steps)
    if "*" in pattern:
        assert match_names(FILES, pattern) == find_files(folder, pattern)


def test_links_are_matched_but_folders_behind_links_are_not_searched(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").touch()
    (tmp_path / "b.yaml").symlink_to("a.yaml")
    (tmp_path / "broken.yaml").symlink_to("nowhere.yaml")
    (tmp_path / "itself.yaml").symlink_to("itself.yaml")
    (tmp_path / "up").symlink_to(".")
    os.mkfifo(tmp_path / "fifo.yaml")
    links = ["b.yaml", "broken.yaml", "itself.yaml"]
    assert ["a.yaml", *links] == find_files(tmp_path, "*.yaml")
    assert ["a.yaml", *links] == find_files(tmp_path, "**/*.yaml")
    assert ["up/a.yaml", *(f"up/{link}" for link in links)] == find_files(tmp_path, "*/*.yaml")


def test_a_search_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(globs, "MAX_LOOKED_AT", 5)
    for number in range(6):
        (tmp_path / f"{number}.txt").touch()
    with pytest.raises(ValueError, match="it would look at more than 5 files; name a narrower one"):
        find_files(tmp_path, "*.yaml")


def test_a_search_goes_to_a_bounded_depth(tmp_path: Path) -> None:
    (tmp_path / "/".join("a" * 60)).mkdir(parents=True)
    with pytest.raises(ValueError, match="it would look into more than 50 folders inside each other"):
        find_files(tmp_path, "**/*.yaml")


def test_a_folder_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(ValueError, match='the folder "x" cannot be read: Permission denied'):
        find_files(tmp_path, "x/*.yaml")


def test_a_stamp_changes_with_the_names_and_with_nothing_else(tmp_path: Path) -> None:
    followed = FilePattern(tmp_path, "*.yaml")
    (tmp_path / "a.yaml").touch()
    first = followed.stamp()
    (tmp_path / "a.yaml").write_text("other")
    (tmp_path / "a.txt").touch()
    assert first == followed.stamp()
    (tmp_path / "b.yaml").touch()
    second = followed.stamp()
    (tmp_path / "b.yaml").rename(tmp_path / "c.yaml")
    assert 3 == len({first, second, followed.stamp()})


def test_a_pattern_names_the_folder_above_all_that_it_can_match(tmp_path: Path) -> None:
    assert tmp_path / "x/y" == FilePattern(tmp_path, "x/y/*/z/*.yaml").parent
    assert tmp_path == FilePattern(tmp_path, "*.yaml").parent
