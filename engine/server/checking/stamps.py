"""What changes when a file does."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

Stamp = tuple[int, ...] | None


def stamps(files: Iterable[Path]) -> dict[Path, Stamp]:
    """Return the files' stamps."""
    return {file: stamp(file) for file in files}


def stamp(file: Path) -> Stamp:
    """Return what changes when a file does; None where there is no such file."""
    try:
        found = file.stat()
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev
