"""A file that is written whole or not at all: until it is whole, it stands beside its place under a name of its own."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from engine.batch.errors import BatchError
from engine.batch.outputs.state import place_of

Seal = Callable[[IO[bytes], IO[bytes]], None]
"""Reads what was written, and writes the file that it becomes."""


class Whole:
    """A file that gets its name when it is whole."""

    def __init__(self, file: Path) -> None:
        """Take the place; raise `BatchError` where that cannot be."""
        file = place_of(file)
        self.file = file
        self.part, self._sealed = temporary_files(file)
        self.size = 0
        if file.is_dir():
            raise BatchError(f"{file} is a folder; for a single input, name the file to write")
        if file.exists() and not file.is_file():
            raise BatchError(f"{file} is not a regular file and cannot be replaced; use -o - and redirect the output")
        try:
            self._stream: IO[bytes] = self.part.open("r+b" if self.part.exists() else "x+b")
        except OSError as error:
            raise cannot_write(file, error) from None
        try:
            _lock(self._stream)
        except BlockingIOError:
            self._stream.close()
            raise BatchError(f"{file} is being written by another run") from None

    def begin(self, size: int) -> None:
        """Keep the first bytes of what an interrupted run has written."""
        self._stream.truncate(size)
        self._stream.seek(size)
        self.size = size

    def write(self, data: bytes) -> None:
        """Write some bytes; raise `BatchError`."""
        try:
            self._stream.write(data)
        except OSError as error:
            raise cannot_write(self.file, error) from None
        self.size += len(data)

    def flush(self) -> None:
        """Have the system know of all that was written."""
        try:
            self._stream.flush()
        except OSError as error:
            raise cannot_write(self.file, error) from None

    def finish(self, seal: Seal | None = None) -> None:
        """Rename the file to its final name; what was written goes through `seal` first."""
        self.flush()
        try:
            if seal is not None:
                self._seal(seal)
            else:
                os.fsync(self._stream.fileno())
                self.part.replace(self.file)
        except OSError as error:
            raise cannot_write(self.file, error) from None
        self._stream.close()

    def _seal(self, seal: Seal) -> None:
        self._stream.seek(0)
        with self._sealed.open("wb") as sealed:
            seal(self._stream, sealed)
            sealed.flush()
            os.fsync(sealed.fileno())
        self._sealed.replace(self.file)
        self.part.unlink()

    def drop(self) -> None:
        """Remove what was written."""
        for file in (self.part, self._sealed):
            with suppress(OSError):
                file.unlink()
        self.close()

    def close(self) -> None:
        """Leave what was written for a run that continues."""
        with suppress(OSError):
            self._stream.close()


def temporary_files(file: Path) -> tuple[Path, Path]:
    """Name the file that is written, and the one that it is made into, where that is another."""
    return file.with_name(f".{file.name}.part"), file.with_name(f".{file.name}.part.sealed")


def _lock(stream: IO[bytes]) -> None:
    """Keep other runs from writing the same file; raise `BlockingIOError` where one does."""
    try:
        import fcntl  # noqa: PLC0415 - not on every system
    except ImportError:
        return
    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)


def cannot_write(file: Path | str, error: OSError) -> BatchError:
    """Say why a file cannot be written."""
    if error.errno == errno.ENOSPC:
        return BatchError(f"{file} cannot be written: there is no space left; make room, then run again with --resume")
    return BatchError(f"{file} cannot be written: {error.strerror}")
