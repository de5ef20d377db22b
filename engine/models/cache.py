"""Compiled models on disk, by the hash of all that they were made from.

An entry is written atomically and verified when it is read; one that is damaged counts as missing. Entries hold
machine code, so the folder belongs to this user alone. A folder that others can write to, such as /tmp, is left as it
is, and a folder of its own below it is used.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import platform
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from engine.spec import Model, read_regular, write_whole

VARIABLE = "ENGINE_CACHE_DIR"
_LIBRARIES = ("endpoint-engine", "numpy", "onnx", "onnxruntime", "pandas", "scikit-learn", "skl2onnx")


@dataclass(frozen=True, slots=True)
class Entry:
    """What there is to know of a compiled model; `programs` are those that serve it, by name."""

    facts: Mapping[str, Any]
    programs: Mapping[str, bytes]


class Cache:
    """The compiled models of one spec."""

    def __init__(self, folder: Path) -> None:
        """Use the folder that `ENGINE_CACHE_DIR` names, else `.engine/cache` in the spec's `folder`."""
        chosen = os.environ.get(VARIABLE)
        self.folder = _own((Path(chosen) if chosen else folder / ".engine" / "cache").resolve())

    def key(self, model: Model, data: bytes) -> str:
        """Hash all that a compiled model depends on, `data` being its file; raise `OSError` without its reference."""
        contents = [data] + ([read_regular(model.reference)] if model.reference is not None else [])
        hashes = [hashlib.sha256(content).hexdigest() for content in contents]
        declared = {name: value for name, value in model.node.plain.items() if name not in ("file", "description")}
        made_from = [_surroundings(), model.file.suffix, hashes, list(declared.items())]
        return hashlib.sha256(json.dumps(made_from).encode()).hexdigest()

    def read(self, key: str) -> Entry | None:
        """Give an entry, or None where there is no sound one."""
        path = self._path(key)
        try:
            if not _is_private(self.folder) or not _is_private(path):
                return None
            digest, _, payload = read_regular(path).partition(b"\n")
        except OSError:
            return None
        if hashlib.sha256(payload).hexdigest().encode() != digest:
            return None
        with np.load(io.BytesIO(payload), allow_pickle=False) as file:
            programs = {name: file[name].tobytes() for name in file.files if name != "facts"}
            return Entry(json.loads(str(file["facts"])), programs)

    def write(self, key: str, entry: Entry) -> bool:
        """Keep an entry; tell whether that worked, since a read-only folder is no mistake."""
        file = io.BytesIO()
        programs = {name: np.frombuffer(program, np.uint8) for name, program in entry.programs.items()}
        np.savez(file, allow_pickle=False, facts=np.array(json.dumps(entry.facts)), **programs)
        payload = file.getvalue()
        try:
            self._make_folder()
            write_whole(self._path(key), hashlib.sha256(payload).hexdigest().encode() + b"\n" + payload)
        except OSError:
            return False
        return True

    def is_writable(self) -> bool:
        """Tell whether entries can be kept."""
        try:
            self._make_folder()
        except OSError:
            return False
        return os.access(self.folder, os.W_OK)

    def _make_folder(self) -> None:
        """Make the folder where there is none; raise `OSError` for one that is somebody else's."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not _is_private(self.folder):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self.folder))

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.model"


@contextmanager
def writable_cache(folder: Path) -> Iterator[None]:
    """Have a cache that can be written to: where the one of a spec's folder cannot, one as lasting as this process.

    Where nothing can be written anywhere there is none, which costs only time.
    """
    with ExitStack() as stack:
        if not Cache(folder).is_writable():
            with suppress(OSError):
                name = stack.enter_context(tempfile.TemporaryDirectory(prefix="engine-cache-"))
                stack.callback(_set_variable, os.environ.get(VARIABLE))
                _set_variable(name)
        yield


def _set_variable(value: str | None) -> None:
    if value is None:
        os.environ.pop(VARIABLE, None)
    else:
        os.environ[VARIABLE] = value


@cache
def _surroundings() -> list[str]:
    """Name the code, the libraries, the Python and the machine that a compiled model is for."""
    code = hashlib.sha256()
    folder = Path(__file__).parent
    for source in sorted([*folder.rglob("*.py"), *folder.glob("*.c")]):
        code.update(source.read_bytes())
    compiler = "a C compiler" if os.environ.get("CC") or any(map(shutil.which, ("cc", "gcc", "clang"))) else "none"
    here = [platform.python_version(), platform.system(), platform.machine(), compiler]
    return [code.hexdigest(), *map(_version, _LIBRARIES), *here]


def _version(library: str) -> str:
    try:
        return f"{library} {version(library)}"
    except PackageNotFoundError:
        return f"{library} absent"


def _own(folder: Path) -> Path:
    """Give the folder, or one of this user below it where others can write to it."""
    try:
        return folder if _is_private(folder) else folder / f"engine-cache-{os.geteuid()}"
    except OSError:  # there is none yet, or nobody can look at it
        return folder


def _is_private(path: Path) -> bool:
    """Tell whether only this user could have written a file, or a folder's entries; never of a link."""
    if os.name != "posix":
        return True
    found = path.lstat()
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
