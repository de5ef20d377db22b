"""A model's file as bytes, read once, and no larger than the memory limit for loading it."""

from __future__ import annotations

import errno
import hashlib
from dataclasses import dataclass
from pathlib import Path

from engine.isolation import read_bounds
from engine.models.files.formats import require_format
from engine.spec import Model, model_inside, read_regular


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model file's bytes, read once."""

    data: bytes
    sha256: str


class ModelFiles:
    """Model files, each read once."""

    def __init__(self) -> None:
        self._files: dict[Path, ModelFile] = {}

    def read(self, model: Model) -> ModelFile:
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


def read_file(model: Model, files: ModelFiles | None = None) -> ModelFile:
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
