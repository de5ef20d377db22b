"""Files in a model folder: neither their names nor links lead out of it."""

from __future__ import annotations

import errno
from pathlib import Path

from engine.schema import show
from engine.spec.named_files import is_outside, normal_name, read_below
from engine.spec.reading.node import Node


def require_inside(node: Node) -> str:
    """Return the normalized name of a file in the folder; raise `SpecError` for one that leads out of it."""
    name = node.text or ""
    if "\0" in name or is_outside(normal_name(name)):
        message = f"{show(name)} leads out of the model's folder, and only files in it are read; put the file into it"
        raise node.mistake(message)
    return normal_name(name)


def find_inner(folder: Path, name: str) -> Path:
    """Return the resolved path of a file in a folder; raise `OSError` if it is not there, or a link leads out."""
    try:
        path = (folder / name).resolve(strict=True)
    except RuntimeError:  # what Python says of a loop until 3.12
        raise OSError(errno.ELOOP, "its links lead to each other") from None
    if not path.is_relative_to(folder.resolve()):
        raise OSError(errno.EPERM, "it is a link that leads out of the model's folder; copy what it leads to: cp -rL")
    return path


def read_inner(folder: Path, name: str, most: int = -1) -> bytes:
    """Read a file in a folder, or its first `most` bytes; raise `OSError`, also if a link leads out of the folder."""
    return read_below(folder.resolve(), find_inner(folder, name), most)
