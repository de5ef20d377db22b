"""A model's file as bytes, read once, and no larger than the memory limit for loading it."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.diagnostics import Diagnostic, Place
from engine.errors import SpecError
from engine.isolation import read_bounds
from engine.models.files.formats import require_format
from engine.spec import FileModel, ModelFolder, bare_model, find_inner, near_by, read_below, read_regular


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model file's bytes, read once.

    In a model folder, the hash is that of the list of all files that count: what `sha256sum` writes of them.
    """

    data: bytes
    sha256: str

    @classmethod
    def of(cls, model: FileModel, data: bytes) -> ModelFile:
        """Make the record of a model's file with these bytes."""
        own, folder = hashlib.sha256(data).hexdigest(), model.model_folder
        if folder is None:
            return cls(data, own)
        hashes = {name: hashlib.sha256(read).hexdigest() for name, read in folder.files.items()} | {folder.file: own}
        listed = "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(hashes.items()))
        return cls(data, hashlib.sha256(listed.encode()).hexdigest())


class ModelFiles:
    """FileModel files, each read once."""

    def __init__(self) -> None:
        self._files: dict[Path, ModelFile] = {}

    def read(self, model: FileModel) -> ModelFile:
        """Read a model's file; raise `OSError`."""
        path, folder = model.file.resolve(), model.model_folder
        key = path if folder is None else folder.path.resolve()
        if key not in self._files:
            self._files[key] = ModelFile.of(model, _read_bounded(model.file, folder))
        return self._files[key]


def _read_bounded(file: Path, folder: ModelFolder | None) -> bytes:
    """Read a file no larger than the memory limit for loading it; raise `OSError`.

    If it is the file of a model folder, no link leads out of that.
    """
    limits = read_bounds()
    path = file if folder is None else find_inner(folder.path, folder.file)
    if path.stat().st_size > limits.memory:
        raise OSError(errno.EFBIG, f"it is larger than {limits.shown_memory}, the memory limit for loading it")
    return read_regular(path) if folder is None else read_below(folder.path.resolve(), path)


def read_file(model: FileModel, files: ModelFiles | None = None) -> ModelFile:
    """Read a model's file, as one of `files`; raise `SpecError`, also for a name without a known format."""
    try:
        read = (files or ModelFiles()).read(model)
    except OSError as error:
        named = "the model's file" if model.model_folder is None else f"the model's file {model.file}"
        raise model.error(f"{named} cannot be read: {error.strerror}{_meant(error, model)}", "file") from None
    require_format(model, read.data)
    return read


def _meant(error: OSError, model: FileModel) -> str:
    """Name the file or the folder that was probably meant, where there is none of the name."""
    is_named = error.errno == errno.ENOENT and model.model_folder is None
    return near_by(Path(), str(model.file), may_be_folder=True) if is_named else ""


def require_readable(file: Path) -> None:
    """Read a model's file that no spec names yet; raise `SpecError` if that fails."""
    with blaming_file(file):
        read_file(bare_model(file, ()))


@contextmanager
def blaming_file(file: Path) -> Iterator[None]:
    """Reword a mistake as one in the model's file: there is no spec yet."""
    try:
        yield
    except SpecError as error:
        whole = Place(str(file))
        inside = (found.place.file.startswith(f"{file}{os.sep}") for found in error.diagnostics)  # a model folder
        raise SpecError(
            [
                found if kept else Diagnostic(whole, found.message)
                for found, kept in zip(error.diagnostics, inside, strict=True)
            ]
        ) from None
