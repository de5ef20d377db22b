"""A model's file as bytes, read once, and no larger than the memory limit for loading it."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.diagnostics import Diagnostic, Place
from engine.errors import SpecError
from engine.isolation import read_bounds
from engine.models.files.formats import require_format
from engine.spec import FileModel, bare_model, model_inside, read_regular


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model file's bytes, read once."""

    data: bytes
    sha256: str


class ModelFiles:
    """FileModel files, each read once."""

    def __init__(self) -> None:
        self._files: dict[Path, ModelFile] = {}

    def read(self, model: FileModel) -> ModelFile:
        """Read a model's file; raise `OSError`."""
        path = model.file.resolve()
        if path not in self._files:
            data = _read_bounded(model.file)
            self._files[path] = ModelFile(data, hashlib.sha256(data).hexdigest())
        return self._files[path]


def _read_bounded(file: Path) -> bytes:
    """Read a file no larger than the memory limit for loading it; raise `OSError`."""
    limits = read_bounds()
    if file.stat().st_size > limits.memory:
        raise OSError(errno.EFBIG, f"it is larger than {limits.shown_memory}, the memory limit for loading it")
    return read_regular(file)


def read_file(model: FileModel, files: ModelFiles | None = None) -> ModelFile:
    """Read a model's file, as one of `files`; raise `SpecError`, also for a name without a known format."""
    try:
        read = (files or ModelFiles()).read(model)
    except IsADirectoryError:
        named = model_inside(model.file)
        it = f"the model in it: {model.file / named}" if named else "the file in it"
        raise model.error(f"this is a folder; name {it}", "file") from None
    except OSError as error:
        raise model.error(f"the model's file cannot be read: {error.strerror}", "file") from None
    require_format(model)
    return read


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
        raise SpecError([Diagnostic(Place(str(file)), found.message) for found in error.diagnostics]) from None
