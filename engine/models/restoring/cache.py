"""Compiled models on disk, by the hash of everything that they were made from.

An entry is written atomically and verified when it is read; a damaged one counts as missing. Entries contain machine
code, so an entry and its folder must belong to this user or to root, and nobody else may write to them. A folder that
others can write to, such as /tmp, is left as it is, and the engine's own folder below it is used.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from engine.models.files.formats import format_of, installed_or_absent
from engine.models.restoring.compiled_model import CompiledModel
from engine.spec import FileModel, read_regular, write_whole

VARIABLE = "ENGINE_CACHE_DIR"
# Tells the processes of a service where new entries are kept if the cache is read-only; see `writable_cache`.
_SPARE_VARIABLE = "ENGINE_SPARE_CACHE_DIR"
# The keys of a model that have no part in what is compiled.
NOT_COMPILED = ("file", "description", "stand_in", "scale")
# Everything that reads a model's entry, compiles models and runs what was compiled, in all folders below.
_CODE = tuple(Path(__file__).parents[2] / folder for folder in ("models", "schema", "spec"))
_LIBRARIES = ("endpoint-engine", "numpy", "onnx", "onnxruntime", "pandas", "scikit-learn", "skl2onnx")


class Cache:
    """The compiled models of one spec."""

    def __init__(self, folder: Path) -> None:
        """Use the folder that `ENGINE_CACHE_DIR` names, else `.engine/cache` in the spec's `folder`."""
        chosen, spare = os.environ.get(VARIABLE), os.environ.get(_SPARE_VARIABLE)
        self._stated = (Path(chosen) if chosen else folder / ".engine" / "cache").resolve()
        self.folder = _own(self._stated)
        self._spare = Path(spare) if spare else None

    def key(self, model: FileModel, sha256: str) -> str:
        """Hash everything that a compiled model depends on; `sha256` is that of its file.

        Raises `OSError` if the reference cannot be read.
        """
        reference = [read_regular(model.reference)] if model.reference is not None else []
        hashes = [sha256, *(hashlib.sha256(content).hexdigest() for content in reference)]
        declared = {name: value for name, value in model.node.plain.items() if name not in NOT_COMPILED}
        made_from = [describe_surroundings(), model.file.suffix, hashes, list(declared.items())]
        known = format_of(model.file, model.model_folder)
        if model.model_folder is not None:  # whose versions are compared with these
            made_from.append([installed_or_absent(library) for library in sorted(model.model_folder.versions)])
        if model.model_folder is not None or (known is not None and known.is_graph):  # which name files beside them
            made_from.append(os.path.relpath(model.file, model.folder))
        if model.computed:
            made_from.append([model.input.document, [example.input for example in model.examples]])
        return hashlib.sha256(json.dumps(made_from).encode()).hexdigest()

    def read(self, key: str) -> CompiledModel | None:
        """Return an entry, or None if there is no valid one."""
        return next(filter(None, (_read(folder / _name(key)) for folder in self._folders)), None)

    def distrusted(self, key: str) -> str:
        """Say why an existing entry is not used; empty if it is used, or does not exist."""
        folders = (*self._folders, *([self._stated] if self._stated not in self._folders else []))
        return next(filter(None, (_distrusted(folder / _name(key)) for folder in folders)), "")

    def write(self, key: str, compiled: CompiledModel, mode: int = 0o600) -> bool:
        """Keep an entry; tell whether that worked, since a read-only folder is no mistake."""
        payload = compiled.dump()
        data = hashlib.sha256(payload).hexdigest().encode() + b"\n" + payload
        for folder in reversed(self._folders):
            try:
                _make_folder(folder, self._mode(folder))
                write_whole(folder / _name(key), data, mode)
            except OSError:
                continue
            return True
        return False

    def is_writable(self) -> bool:
        """Return whether entries can be kept in the folder itself."""
        try:
            _make_folder(self.folder, self._mode(self.folder))
        except OSError:
            return False
        return os.access(self.folder, os.W_OK)

    def _mode(self, folder: Path) -> int:
        """Return the mode of a new folder: others may read the cache itself, as far as its entries."""
        return 0o755 if folder == self._stated else 0o700

    @property
    def _folders(self) -> tuple[Path, ...]:
        """The folders to read from, in this order."""
        return (*([self._spare] if self._spare is not None else []), self.folder)


def mode_for(file: Path) -> int:
    """Return the mode of an entry: those who can read a model's file can read its compiled form."""
    try:
        return 0o600 | file.stat().st_mode & 0o044
    except OSError:  # it was removed after it was read
        return 0o600


@contextmanager
def writable_cache(folder: Path) -> Iterator[None]:
    """Provide a place for new entries: if the cache is read-only, a temporary folder for the time of this process.

    If no folder can be written to, there is none, which only costs time.
    """
    with ExitStack() as stack:
        if not Cache(folder).is_writable():
            with suppress(OSError):
                name = stack.enter_context(tempfile.TemporaryDirectory(prefix="engine-cache-"))
                stack.callback(os.environ.pop, _SPARE_VARIABLE, None)
                os.environ[_SPARE_VARIABLE] = name
        yield


@cache
def hash_code() -> str:
    """Hash the engine's own code that decides what a compiled model is and answers."""
    code = hashlib.sha256()
    for folder in _CODE:
        for source in sorted(path for path in folder.rglob("*") if path.suffix in {".c", ".py"}):
            code.update(source.read_bytes())
    return code.hexdigest()


@cache
def describe_surroundings() -> list[str]:
    """Name the code, the libraries, the Python and the machine that a compiled model is for."""
    here = [f"Python {platform.python_version()}", platform.system(), platform.machine()]
    return [hash_code(), *map(_version, _LIBRARIES), *here]


def _version(library: str) -> str:
    try:
        return f"{library} {version(library)}"
    except PackageNotFoundError:
        return f"{library} absent"


def _name(key: str) -> str:
    return f"{key}.model"


def _read(path: Path) -> CompiledModel | None:
    try:
        if not (is_trusted(path.parent) and is_trusted(path)):
            return None
        digest, _, payload = read_regular(path).partition(b"\n")
    except OSError:
        return None
    if hashlib.sha256(payload).hexdigest().encode() != digest:
        return None
    return CompiledModel.load(payload)


def _distrusted(path: Path) -> str:
    """Say why an existing entry is not used."""
    try:
        path.lstat()
        odd = next((one for one in (path.parent, path) if not is_trusted(one)), None)
        readable = os.access(path, os.R_OK)
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    if odd is not None:
        return f"{path} is not used: another user than this one or root can write to {odd}"
    return "" if readable else f"{path} cannot be read: {os.strerror(errno.EACCES)}"


def _make_folder(folder: Path, mode: int) -> None:
    """Make a folder if there is none; raise `OSError` if it belongs to another user."""
    folder.mkdir(parents=True, exist_ok=True, mode=mode)
    if not is_trusted(folder):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))


def _own(folder: Path) -> Path:
    """Return the folder, or this user's own folder below it if others can write to it."""
    try:
        return folder if is_trusted(folder) else folder / f"engine-cache-{os.geteuid()}"
    except OSError:  # it does not exist yet, or may not be read
        return folder


def is_trusted(path: Path) -> bool:
    """Return whether only this user or root could have written a file, or a folder's entries; False for a link.

    Root can change the engine itself.
    """
    if os.name != "posix":
        return True
    found = path.lstat()
    return found.st_uid in (os.geteuid(), 0) and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
