"""The files that a spec reads beside its own two: included ones, and those with JSON Schemas, inside its folder."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from engine.errors import SpecError
from engine.spec.globs import FilePattern
from engine.spec.named_files import Home, is_outside, normal_name
from engine.spec.reading.compose import MAX_VALUES, compose_document
from engine.spec.reading.node import Node
from engine.spec.reading.source import Source, decode_source

Watched = Path | FilePattern
Opens = Callable[[Iterable[Watched]], None]
"""Is told of everything that a spec is made of, before it is opened."""

MAX_FILES = 5_000
MAX_STEPS = 60  # of a chain of files that a message shows; files include each other less deeply


class TooMuch(SpecError):
    """A spec has more files, or values in them, than are read; nothing else is read then."""


class SpecFiles:
    """Reads files of the folder of a spec, and keeps what it has read; `opens` is called with each before it is opened.

    `own` are the spec's own files in this folder, by their names, which may be referred to as well.
    """

    def __init__(self, home: Home, opens: Opens, own: Mapping[str, Node]) -> None:
        self.home = home
        self.opens = opens
        self.sources: dict[str, Source] = {}
        self._own = own
        self._known: dict[str, Node] = {}
        self._broken: set[str] = set()
        self._matching: dict[str, list[str]] = {}
        self._values = 0
        self._count = 0

    def read(self, name: str, at: Node, why: str) -> Node:
        """Read a file by its normalized name, because of the node that names it; raise `SpecError`.

        `why` begins the reason, as in "included at".
        """
        self._count += 1
        if self._count > MAX_FILES:
            raise TooMuch([at.error(f"more than {MAX_FILES:,} files are read for this spec; join some of them")])
        self._watch(name)
        try:
            data = self.home.read(name)
        except ValueError as error:
            raise at.mistake(_about_file(str(error), at)) from None
        via = (f"{why} {at.place}", *at.source.via)[:MAX_STEPS]
        source = decode_source(data, str(self.home.folder / name), posixpath.dirname(name), via)
        root = compose_document(source)
        self.sources[name] = source
        self._known.setdefault(name, root)
        self._values += root.size
        if self._values > MAX_VALUES:
            message = f"the files read up to here have more than {MAX_VALUES:,} values; keep data out of the spec"
            raise TooMuch([at.error(message)])
        return root

    def read_once(self, name: str, at: Node, why: str) -> Node:
        """Read a file, if it has not been read before; raise `SpecError`, which is empty for a file known as broken."""
        if name in self._own:
            self.sources[name] = self._own[name].source
            return self._own[name]
        if name in self._broken:
            raise SpecError([])
        if name not in self._known:
            self._broken.add(name)
            self.read(name, at, why)
            self._broken.discard(name)
        return self._known[name]

    def require(self, name: str, at: Node) -> None:
        """Raise `ValueError`, for the author, for a file that cannot be read, as the node that names it says it."""
        if name in self._own or name in self._known:
            return
        self._watch(name)
        try:
            self.home.require(name)
        except ValueError as error:
            raise ValueError(_about_file(str(error), at)) from None

    def match(self, pattern: str) -> list[str]:
        """Return the names that match a normalized pattern; raise `ValueError`, for the author."""
        if pattern not in self._matching:
            if self.home.packed is None:
                self.opens([FilePattern(self.home.folder, pattern)])
            self._matching[pattern] = self.home.glob(pattern)
        return self._matching[pattern]

    def _watch(self, name: str) -> None:
        if self.home.packed is None:
            self.opens([self.home.folder / name])


def locate(name: str, at: Node) -> str:
    """Return the normalized name of a file that a node names, relative to its own file; raise `ValueError`."""
    if "\\" in name:
        raise ValueError(f'"{name}" has a backslash; write folders with forward slashes')
    if "\0" in name:
        raise ValueError("a file name cannot contain a NUL character")
    if "://" in name:
        raise ValueError(f'"{name}" is a URL, and nothing is ever fetched; name a file')
    if name.startswith("/") or name[1:2] == ":":
        raise ValueError(f'"{name}" is absolute; write it relative to this file')
    found = normal_name(name, at.source.folder)
    if is_outside(found):
        raise ValueError(f'"{name}" leads outside the folder of the spec; move it inside')
    return found


def _about_file(message: str, at: Node) -> str:
    """Return a message with names relative to the file of a node, without the advice for files of responses."""
    message = message.removesuffix("; serve it by a web server")
    return message.replace(f'"{at.source.folder}/', '"') if at.source.folder else message
