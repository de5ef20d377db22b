"""Patterns of file names, such as `admin/*.yaml`: which files of a folder they match, on the disk or in a bundle."""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

MAX_LOOKED_AT = 100_000
MAX_FOLDERS = 50
_WILD = re.compile(r"[*?\[]")
_ANY_DEPTH = "**"


@dataclass(frozen=True, slots=True)
class FilePattern:
    """The files of a folder that a pattern matches, followed as a file is: what changes is their names."""

    folder: Path
    pattern: str

    def absolute(self) -> FilePattern:
        return FilePattern(self.folder.absolute(), self.pattern)

    def stamp(self) -> tuple[int, ...] | None:
        """Return what changes when the names of the files do; None if they cannot be found."""
        try:
            names = find_files(self.folder, self.pattern)
        except ValueError:
            return None
        return len(names), int.from_bytes(hashlib.sha256("\0".join(names).encode(errors="replace")).digest()[:8])

    @property
    def parent(self) -> Path:
        """The folder above every file that can match."""
        fixed = [*_fixed(self.pattern.split("/"))]
        return self.folder.joinpath(*fixed)

    def resolve(self) -> FilePattern:
        return FilePattern(self.folder.resolve(), self.pattern)


def is_pattern(name: str) -> bool:
    """Return whether a name has wildcards: `*`, `?`, `[ab]`, or `**` for any number of folders."""
    return _WILD.search(name) is not None


def find_files(folder: Path, pattern: str) -> list[str]:
    """Return the names of all files in a folder that match, sorted; raise `ValueError`, for the author, for too many.

    Names that begin with a dot match only patterns that do, and `**` follows no links.
    """
    return sorted(set(_Search(folder).find("", pattern.split("/"))))


def match_names(names: Iterable[str], pattern: str) -> list[str]:
    """Return the names that match, sorted."""
    steps = pattern.split("/")
    return sorted(name for name in names if _matches(name.split("/"), steps))


class _Search:
    """One search through a folder, which looks at a bounded number of names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._left = MAX_LOOKED_AT

    def find(self, at: str, steps: list[str]) -> Iterator[str]:
        """Yield the files below the folder `at` that match the steps of a pattern."""
        step, *rest = steps
        if not is_pattern(step) and rest:
            yield from self.find(posixpath.join(at, step), rest)
            return
        if step == _ANY_DEPTH:
            yield from self.find(at, rest or ["*"])
        for entry in self._entries(at):
            name = posixpath.join(at, entry.name)
            if step == _ANY_DEPTH:
                if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
                    yield from self.find(name, steps)
            elif _matches_step(entry.name, step):
                if rest and _is_folder(entry):
                    yield from self.find(name, rest)
                elif not rest and (entry.is_file(follow_symlinks=False) or _is_link_to_file(entry)):
                    yield name

    def _entries(self, at: str) -> Iterator[os.DirEntry[str]]:
        if at.count("/") >= MAX_FOLDERS:
            raise ValueError(f"it would look into more than {MAX_FOLDERS} folders inside each other")
        try:
            with os.scandir(self._folder / at) as found:
                for entry in found:
                    self._left -= 1
                    if self._left < 0:
                        raise ValueError(f"it would look at more than {MAX_LOOKED_AT:,} files; name a narrower one")
                    yield entry
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise ValueError(f'the folder "{at or "."}" cannot be read: {error.strerror}') from None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _is_link_to_file(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a link that leads to no folder; one that leads nowhere is reported when it is read."""
    return entry.is_symlink() and not _is_folder(entry)


def _matches(names: list[str], steps: list[str]) -> bool:
    """Match the names of a path step by step; `reached` are the steps that may match the next name."""
    steps = [*steps, "*"] if steps[-1] == _ANY_DEPTH else steps
    reached = {0}
    for name in names:
        after = set()
        for number in _with_skipped(reached, steps):
            if steps[number] != _ANY_DEPTH and _matches_step(name, steps[number]):
                after.add(number + 1)
            elif steps[number] == _ANY_DEPTH and not name.startswith("."):
                after.add(number)
        reached = after
    return len(steps) in reached


def _with_skipped(reached: set[int], steps: list[str]) -> Iterator[int]:
    """Yield steps, and those behind a `**`, which may match nothing."""
    for number in reached:
        while number < len(steps):
            yield number
            if steps[number] != _ANY_DEPTH:
                break
            number += 1  # noqa: PLW2901 - the next step


def _matches_step(name: str, step: str) -> bool:
    return fnmatchcase(name, step) and (not name.startswith(".") or step.startswith("."))


def _fixed(steps: list[str]) -> Iterator[str]:
    for step in steps[:-1]:
        if is_pattern(step):
            return
        yield step
