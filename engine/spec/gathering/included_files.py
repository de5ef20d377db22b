"""Entries `include: admin/*.yaml` → the entries of these files, each file checked once."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from engine.diagnostics import Diagnostic
from engine.errors import SpecError
from engine.schema import clip
from engine.spec.gathering.spec_files import SpecFiles, TooMuch, locate
from engine.spec.globs import is_pattern
from engine.spec.reading.node import Node
from engine.spec.reading.source import Source
from engine.text import first_words

MAX_NESTED = 50
_SHOWN_FILES = 5


class Includes:
    """Reads included files, each for every time that it is included, and adds mistakes to `found`.

    `check` finds the mistakes in a file's document. `roots` are the documents that were read, by their names.
    """

    def __init__(
        self, files: SpecFiles, root: Node, found: list[Diagnostic], check: Callable[[Node], Iterable[Diagnostic]]
    ) -> None:
        self._files = files
        self._check = check
        self._found = found
        self._own = root.source
        self._trails: dict[Source, tuple[str, ...]] = {root.source: (self._identify_own(),)}
        self.roots: dict[str, Node] = {}

    def entries(self, entry: Node) -> Iterator[Node]:
        """Yield the entries of all files that an entry includes."""
        at = entry["include"]
        if not at.text:
            return
        try:
            names = list(self._names(at, at.text))
        except ValueError as error:
            self._found.append(at.error(f"include: {_with_pattern(str(error), at.text)}"))
            return
        for name in names:
            root = self._read(name, at)
            if root is not None:
                yield from root["routes"].items

    def _names(self, at: Node, text: str) -> Iterator[str]:
        """Yield the files that an include names; one with wildcards leaves out those that are being read already."""
        name, trail = locate(text, at), self._trails[at.source]
        if not is_pattern(name):
            self._files.require(name, at)
            yield name
            return
        matching = self._files.match(name)
        others = [one for one in matching if self._identify(one) not in trail]
        if matching and not others:
            raise ValueError(f'"{clip(text)}" matches only this file itself, or those that include it')
        if not others:
            raise ValueError(f'no file matches "{clip(text)}" ({self._files_in(posixpath.dirname(name))})')
        yield from others

    def _files_in(self, folder: str) -> str:
        """Say which files a folder has; with wildcards in it, that it is not looked for."""
        found = [] if is_pattern(folder) else self._files.home.glob(posixpath.join(folder, "*"))
        names = [posixpath.basename(one) for one in found]
        if (
            self._files.home.packed is None
            and not is_pattern(folder)
            and not (self._files.home.folder / folder).is_dir()
        ):
            return f'there is no folder "{clip(folder)}"'
        return f"{clip(folder) or 'the folder'} has: {first_words(names, _SHOWN_FILES) or 'no files'}"

    def _read(self, name: str, at: Node) -> Node | None:
        """Read one file; None if it is broken, or is being read already."""
        try:
            trail = self._extended_trail(name, at)
            root = self._files.read(name, at, "included at")
        except TooMuch:
            raise
        except SpecError as error:
            self._found += error.diagnostics
            return None
        self._trails[root.source] = trail
        if name not in self.roots:
            self._found += self._check(root)
            self.roots[name] = root
        return root

    def _extended_trail(self, name: str, at: Node) -> tuple[str, ...]:
        trail = self._trails[at.source]
        try:
            real = self._identify(name)
        except ValueError:
            return trail  # reported when it is read
        if real == trail[-1]:
            raise at.mistake("include: a file cannot include itself")
        if real in trail:
            why = "leads in a circle: this file is read because that one includes it, as shown here"
            raise at.mistake(f'include: "{clip(at.text or "")}" {why}; remove one of these includes')
        if len(trail) > MAX_NESTED:
            raise at.mistake(f"include: files include each other more than {MAX_NESTED} levels deep")
        return (*trail, real)

    def _identify(self, name: str) -> str:
        """Return what identifies a file; the routes' file has another name in a bundle, and may be packed again."""
        home = self._files.home
        is_own = home.packed is not None and home.read(name) == self._own.text.encode()
        return "" if is_own else home.find(name)

    def _identify_own(self) -> str:
        home = self._files.home
        try:
            return "" if home.packed is not None else home.find(Path(self._own.name).name)
        except ValueError:  # it is a draft, which is not there yet
            return ""


def _with_pattern(message: str, folder: str) -> str:
    """Return a message, with the pattern to write if the name is that of a folder."""
    return f"{message}; for the files in it, write {folder.rstrip('/')}/*.yaml" if "is a folder" in message else message
