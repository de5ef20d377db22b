"""Files that responses name, always inside the spec's folder, and files that the engine writes, always as a whole."""

from __future__ import annotations

import contextlib
import errno
import os
import posixpath
import stat
import tempfile
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from engine.spec.file_patterns import MAX_FILES, list_folder, match_files
from engine.spec.globs import find_files, match_names
from engine.spec.references import Template
from engine.text import begin_alike

MAX_BYTES = 16 * 1024 * 1024
MAX_NEIGHBOURS, MOST_APART = 1000, 2
_READING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)

_IRREGULAR = (
    (stat.S_ISDIR, "a folder", errno.EISDIR),
    (stat.S_ISFIFO, "a FIFO (a named pipe)", errno.EINVAL),
    (stat.S_ISSOCK, "a socket", errno.EINVAL),
    (stat.S_ISCHR, "a device", errno.EINVAL),
    (stat.S_ISBLK, "a device", errno.EINVAL),
)


class Home:
    """The folder of routes.yaml, from which the files are read that it names.

    With `packed`, they are these, by their normalized names, and none is read from the folder.
    """

    def __init__(self, folder: Path, packed: Mapping[str, bytes] | None = None) -> None:
        self.folder = folder
        self.packed = packed

    def require(self, name: str, below: str = "") -> None:
        """Raise `ValueError`, for the spec's author, for a file that may not be served or is not there.

        The name is relative to the folder `below`, which is relative to this one.
        """
        if self.packed is None:
            find_inside(self.folder, name, below)
        else:
            self._packed(name, below)

    def read(self, name: str, below: str = "") -> bytes:
        """Read a file that is served; raise `ValueError`, for the spec's author, where it may not be."""
        return read_inside(self.folder, name, below) if self.packed is None else self._packed(name, below)

    def find(self, name: str, below: str = "") -> str:
        """Return what identifies a file, whatever links lead to it; raise `ValueError` where it may not be read."""
        if self.packed is None:
            return str(find_inside(self.folder, name, below))
        self._packed(name, below)
        return normal_name(name, below)

    def glob(self, pattern: str) -> list[str]:
        """Return the normalized names of the files that a pattern matches, sorted; raise `ValueError`."""
        return find_files(self.folder, pattern) if self.packed is None else match_names(self.packed, pattern)

    def match(self, template: Template) -> list[str]:
        """Return the names of the files that a template with references can name; raise `ValueError` for too many."""
        names = list_folder(self.folder, template) if self.packed is None else self.packed
        found = match_files(template, names)
        if len(found) > MAX_FILES:
            raise ValueError(f"there are {len(found):,} files with such names; at most {MAX_FILES:,} are allowed")
        return found

    def read_secret(self, name: str, most: int) -> bytes:
        """Read the first bytes of a file that may be anywhere; raise `OSError`."""
        if self.packed is None or Path(name).is_absolute():
            return read_regular(self.folder / name, most)
        if normal_name(name) not in self.packed:
            raise FileNotFoundError(errno.ENOENT, "it is not in the bundle")
        return self.packed[normal_name(name)][:most]

    def _packed(self, name: str, below: str = "") -> bytes:
        data = (self.packed or {}).get(normal_name(name, below))
        if data is None:
            raise ValueError(f'file "{name}" is not in the bundle')
        return data


def normal_name(name: str, below: str = "") -> str:
    """Return the name by which a bundle has a file of the spec's folder: `page.html` for `./pages/../page.html`.

    `below` is the folder of the file that names it.
    """
    return posixpath.normpath(posixpath.join(below, name))


def read_regular(path: Path, most: int = -1) -> bytes:
    """Read a file, or its first `most` bytes; raise `OSError`, also if it is not a regular file.

    Reading a FIFO may wait for ever, and a device may have no end.
    """
    _require_regular(path.stat())  # before it is opened, which can have effects on a device
    return _read(os.open(path, _READING), most)


def read_unlinked(path: Path, most: int = -1) -> bytes:
    """Read a file by its resolved path; raise `OSError`, also if it has become a link, or is not a regular file."""
    _require_regular(path.lstat())
    return _read(os.open(path, _READING | getattr(os, "O_NOFOLLOW", 0)), most)


def read_inside(folder: Path, name: str, below: str = "") -> bytes:
    """Read the file `name` in `folder`; raise `ValueError`, for the spec's author, if it may not be served.

    The name is relative to the folder `below` in it.

    Links may change between the check of a file and its opening. So the resolved path is opened without following
    links.
    """
    home = folder.resolve()
    path = find_inside(home, name, below)
    try:
        data = _read(_open_below(home, path.relative_to(home).parts), MAX_BYTES + 1)
    except OSError as error:
        raise ValueError(f'file "{name}" cannot be read, or changed meanwhile: {error.strerror}') from None
    if len(data) > MAX_BYTES:
        raise ValueError(_too_large(name))
    return data


def read_below(home: Path, path: Path, most: int = -1) -> bytes:
    """Read a file by its resolved path; raise `OSError`, also if it or a folder between it and `home` is now a link."""
    return _read(_open_below(home, path.relative_to(home).parts), most)


def _open_below(home: Path, parts: Sequence[str]) -> int:
    """Open a file for reading; raise `OSError`, also if it or a folder between it and `home` is a link."""
    if os.open not in os.supports_dir_fd:  # as on Windows
        return os.open(home.joinpath(*parts), _READING)
    at = os.open(home, os.O_RDONLY)
    for part in parts:
        folder = at
        try:
            at = os.open(part, _READING | os.O_NOFOLLOW, dir_fd=folder)
        finally:
            os.close(folder)
    return at


def _read(descriptor: int, most: int) -> bytes:
    try:
        _require_regular(os.fstat(descriptor))  # it may have been replaced since
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(most)
    finally:
        os.close(descriptor)


def _require_regular(found: os.stat_result) -> None:
    for is_kind, kind, code in _IRREGULAR:
        if is_kind(found.st_mode):
            raise OSError(code, f"it is {kind}, not a regular file")


def near_by(folder: Path, name: str, *, may_be_folder: bool = False) -> str:
    """Suggest a file that was probably meant by a name that does not exist; empty if none is similar."""
    path = folder / name
    try:
        with os.scandir(path.parent) as found:
            neighbours = [entry.name for entry in islice(found, MAX_NEIGHBOURS)]
    except OSError:
        return ""
    near = max(neighbours, key=lambda other: _shared(path.name, other), default="")
    if not near or max(len(near), len(path.name)) - _shared(path.name, near) > MOST_APART:
        return ""
    if not (path.parent / near).is_file() and not (may_be_folder and (path.parent / near).is_dir()):
        return ""
    return f'; did you mean "{Path(name).with_name(near)}"?'


def _shared(one: str, other: str) -> int:
    """Count the characters that two names have in common at their beginnings and their ends."""
    begin = begin_alike(one, other)
    return begin + begin_alike(one[begin:][::-1], other[begin:][::-1])


def is_outside(name: str) -> bool:
    """Return whether a normalized name leads out of the folder that it is relative to."""
    return name == ".." or name.startswith(("../", "/"))


def find_inside(folder: Path, name: str, below: str = "") -> Path:
    """Find the file `name` in `folder`; raise `ValueError`, for the spec's author, if it may not be served.

    The name is relative to the folder `below` in it.
    """
    if "\0" in name:
        raise ValueError("a file name cannot contain a NUL character")
    if Path(name).is_absolute():
        raise ValueError(f'file "{name}" is absolute; write it relative to the spec, inside its folder')
    home = folder.resolve()
    try:
        path = (home / below / name).resolve(strict=True)
    except FileNotFoundError:
        path = Path(os.path.normpath(home / below / name))
        _refuse_outside(path, home, name)
        raise ValueError(f'file "{name}" does not exist{near_by(home / below, name)}') from None
    except RuntimeError:  # what Python says of it until 3.12
        raise ValueError(f'file "{name}" cannot be read: {os.strerror(errno.ELOOP)}') from None
    except OSError as error:
        raise ValueError(f'file "{name}" cannot be read: {error.strerror}') from None
    _refuse_outside(path, home, name)
    try:
        status = path.stat()
    except OSError as error:  # it was there a moment ago
        raise ValueError(f'file "{name}" cannot be read: {error.strerror}') from None
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f'file "{name}" is a folder or a device, not a file')
    if status.st_size > MAX_BYTES:
        raise ValueError(_too_large(name))
    if not os.access(path, os.R_OK):
        reason = "permission denied" if path.exists() else os.strerror(errno.ENOENT)
        raise ValueError(f'file "{name}" cannot be read: {reason}')
    return path


def write_whole(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write a file in one step, so that readers see either the old or the new file, complete; raise `OSError`."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    new = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        new.chmod(mode)
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise


def write_all(files: Mapping[Path, bytes]) -> None:
    """Write some files, each with its previous mode; raise `OSError`, with all files as they were before.

    Missing folders are created.
    """
    before = {path: read_regular(path) if path.exists() else None for path in files}
    made = {path.parent for path in files if not path.parent.exists()}
    written: list[Path] = []
    try:
        for folder in made:
            folder.mkdir()
        for path, data in files.items():
            write_whole(path.resolve(), data, _mode(path))
            written.append(path)
    except OSError:
        for path in written:
            data_before = before[path]
            if data_before is None:
                path.unlink()
            else:
                write_whole(path.resolve(), data_before, _mode(path))
        for folder in made:
            with contextlib.suppress(OSError):  # others may have put something in
                folder.rmdir()
        raise


def _mode(path: Path) -> int:
    """Return the mode of an existing file, or the mode of a new one."""
    if path.exists():
        return stat.S_IMODE(path.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _too_large(name: str) -> str:
    return f'file "{name}" is larger than {MAX_BYTES // 1024**2} MiB; serve it by a web server'


def _refuse_outside(path: Path, home: Path, name: str) -> None:
    if not path.is_relative_to(home):
        raise ValueError(f'file "{name}" leads outside the folder of the spec; move it inside')
