"""Files at URIs and at absolute paths, by the file systems of Arrow: found, opened, written whole, and deleted."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO, Any
from uuid import uuid4

import pyarrow as pa
from pyarrow import fs

from engine.batch.scoring_errors import BatchError

_URI = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_SECRET = re.compile(r"(?<=://)[^/@]*@|\?.*$")


def is_uri(name: str) -> bool:
    """Return whether a name is a URI, and not a path."""
    return _URI.match(name) is not None


def without_secrets(uri: str) -> str:
    """Return a URI as messages show it: without a user's key, and without options."""
    return _SECRET.sub("", uri) if is_uri(uri) else uri


def open_system(location: str) -> tuple[Any, str]:
    """Return the file system of an absolute path or a URI, and the path in it; raise `BatchError`."""
    try:
        found: tuple[Any, str] = fs.FileSystem.from_uri(location)
    except (pa.ArrowException, OSError, ValueError) as error:
        shown = without_secrets(location)
        raise BatchError(f"{shown}: {_said(error).replace(location, shown)}") from None
    return found


def match_uris(pattern: str) -> list[str]:
    """Return the URIs of the files that a pattern of URIs matches, sorted by their names; raise `BatchError`."""
    uri, mark, query = pattern.partition("?")
    system, path = open_system(pattern)
    prefix = uri.removesuffix(path)
    parts = PurePosixPath(path).parts
    fixed = next((place for place, part in enumerate(parts) if "*" in part or "[" in part), len(parts))
    selector = fs.FileSelector(str(PurePosixPath(*parts[:fixed])), allow_not_found=True, recursive=True)
    try:
        infos = system.get_file_info(selector)
    except OSError as error:
        raise BatchError(f"{without_secrets(pattern)} cannot be listed: {_said(error)}") from None
    found = [info.path for info in infos if info.is_file and _matches(PurePosixPath(info.path).parts, parts)]
    return [f"{prefix}{path}{mark}{query}" for path in sorted(found)]


def _matches(names: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    """Match a path with a pattern as the shell does: `*` stays in a folder, and finds no hidden file."""
    return len(names) == len(parts) and all(
        fnmatch.fnmatchcase(name, part) and not (name.startswith((".", "_")) and "*" in part)
        for name, part in zip(names, parts, strict=True)
    )


class Folder:
    """A folder whose files appear when they are complete."""

    def __init__(self, location: str) -> None:
        """Look nothing up yet; raise `BatchError` for a URI of no known kind."""
        self.shown = without_secrets(location)
        self._system, self._path = open_system(location)
        self._is_local = isinstance(self._system, fs.LocalFileSystem)

    def names(self, inside: str = "") -> list[str]:
        """Return the names of the files in the folder, or in one inside of it; none if it does not exist."""
        selector = fs.FileSelector(self._at(inside), allow_not_found=True)
        with self._told(inside, "read"):
            return sorted(info.base_name for info in self._system.get_file_info(selector) if info.is_file)

    def read(self, name: str) -> bytes:
        """Read a whole file; raise `FileNotFoundError` where there is none."""
        with self._system.open_input_stream(self._at(name)) as stream:
            data: bytes = stream.read()
        return data

    def pieces_of(self, name: str) -> Iterator[bytes]:
        """Read a file piece by piece; none if there is no such file."""
        with suppress(FileNotFoundError), self._system.open_input_stream(self._at(name)) as stream:
            while piece := stream.read(1024 * 1024):
                yield piece

    @contextmanager
    def writing(self, name: str, hidden: str) -> Iterator[IO[bytes]]:
        """Write a file in the `hidden` folder, which gets its name at the end, in place of another; raise `BatchError`.

        The file that is written has a name of its own, so that two processes can write the same one.
        """
        temporary = self._at(f"{hidden}/{PurePosixPath(name).name}.{uuid4().hex}")
        with self._told(name, "written"):
            self._system.create_dir(self._at(hidden))
        try:
            with self._told(name, "written"):
                with self._system.open_output_stream(temporary) as stream:
                    yield stream
                self._sync(temporary)
                self._system.move(temporary, self._at(name))
        except BaseException:
            with suppress(OSError):
                self._system.delete_file(temporary)
            raise

    def delete(self, name: str) -> None:
        """Delete a file, if it exists."""
        with self._told(name, "deleted"), suppress(FileNotFoundError):
            self._system.delete_file(self._at(name))

    def delete_folder(self, name: str) -> None:
        """Delete a folder with all that is in it, if it exists."""
        with self._told(name, "deleted"):
            if self._system.get_file_info(self._at(name)).type == fs.FileType.Directory:
                self._system.delete_dir(self._at(name))

    @property
    def local(self) -> Path | None:
        """The folder as a path, None where it is at a URI."""
        return Path(self._path) if self._is_local else None

    def _at(self, name: str) -> str:
        return f"{self._path.rstrip('/')}/{name}".rstrip("/")

    def _sync(self, path: str) -> None:
        """Have a file on the disk; what stores objects has done so when it is closed."""
        if self._is_local:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    @contextmanager
    def _told(self, name: str, what: str) -> Iterator[None]:
        """Raise `BatchError` for what cannot be done with a file."""
        try:
            yield
        except (pa.ArrowException, OSError) as error:
            place = f"{self.shown.rstrip('/')}/{name}".rstrip("/")
            raise BatchError(f"{place} cannot be {what}: {_said(error)}") from None


def _said(error: Exception) -> str:
    """Say what is wrong, without Arrow's own words around it."""
    if isinstance(error, OSError) and error.strerror and error.errno:
        return os.strerror(error.errno)
    return str(error).partition(". Detail:")[0].rstrip(".")
