"""A file that is written whole or not at all: until it is whole, it stands beside its place under a name of its own.

How far an interrupted run has come is in another file beside it.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from engine.batch.scoring_errors import BatchError

Seal = Callable[[IO[bytes], IO[bytes]], None]
"""Reads what was written, and writes the file that it becomes."""


@dataclass(frozen=True, slots=True)
class OutputTarget:
    """Where the predictions for one input go, None for standard output, and the bad rows if anywhere.

    An output that is `one_of_many` is not written again when a run over all of them is resumed.
    """

    predictions: Path | None
    errors: Path | None = None
    one_of_many: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """How far a run has come: `offset` and `line` of the input, and the sizes of what was written, predictions first.

    What `is_whole` has its final name, beside others that are still written.
    """

    run: str
    offset: int
    line: int
    rows: int
    bad: int
    sizes: Sequence[int]
    is_whole: bool = False


def place_of(file: Path) -> Path:
    """Follow a link to the file that is written."""
    return file.resolve() if file.is_symlink() else file


def state_file(predictions: Path) -> Path:
    """Name the file that has the state of an interrupted run."""
    file = place_of(predictions)
    return file.with_name(f".{file.name}.part.json")


def new_state_file(state: Path) -> Path:
    """Name the file that takes the place of a state once it is written."""
    return state.with_suffix(".new")


def whole_state(predictions: Path, run: str) -> State | None:
    """Return the state of a file that a run over several has finished, None for any other file."""
    state = read_state(state_file(predictions))
    is_whole = state is not None and state.is_whole and state.run == run and predictions.is_file()
    return state if is_whole else None


def read_state(file: Path) -> State | None:
    """Read a state; None where there is none, or what is there is none."""
    try:
        state = State(**json.loads(file.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    if not isinstance(state.sizes, list):
        return None
    numbers = [state.offset, state.line, state.rows, state.bad, *state.sizes]
    return state if all(isinstance(number, int) and number >= 0 for number in numbers) else None


class Whole:
    """A file that gets its name when it is whole."""

    def __init__(self, file: Path) -> None:
        """Take the place; raise `BatchError` where that cannot be."""
        file = place_of(file)
        self.file = file
        self.part, self._sealed = temporary_files(file)
        self._is_sealed = False
        self.size = 0
        if file.is_dir():
            raise BatchError(f"{file} is a folder; for a single input, name the file to write")
        if file.exists() and not file.is_file():
            raise BatchError(f"{file} is not a regular file and cannot be replaced; use -o - and redirect the output")
        try:
            self.is_new = not os.path.lexists(self.part)
            self._stream: IO[bytes] = self.part.open("x+b") if self.is_new else _open_again(self.part)
        except OSError as error:
            raise cannot_write(file, error) from None
        try:
            _lock(self._stream, self.part)
        except BlockingIOError:
            self._stream.close()
            raise BatchError(f"{file} is being written by another run") from None

    @property
    def left(self) -> int:
        """How many bytes of an interrupted run there are."""
        return os.fstat(self._stream.fileno()).st_size

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

    def sync(self) -> None:
        """Have all that was written on the disk; raise `BatchError`."""
        try:
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise cannot_write(self.file, error) from None

    def seal(self, seal: Seal) -> None:
        """Make the final file of what was written, beside it; raise `BatchError`."""
        self._stream.seek(0)  # all of it has been synced
        try:
            self._sealed.unlink(missing_ok=True)
            with self._sealed.open("xb") as sealed:
                seal(self._stream, sealed)
                sealed.flush()
                os.fsync(sealed.fileno())
        except OSError as error:
            raise cannot_write(self.file, error) from None
        self._is_sealed = True

    def publish(self) -> None:
        """Rename the file, all of which is on the disk, to its final name; raise `BatchError`."""
        try:
            (self._sealed if self._is_sealed else self.part).replace(self.file)
            if self._is_sealed:
                self.part.unlink()
        except OSError as error:
            raise cannot_write(self.file, error) from None
        self.close()

    def drop(self) -> None:
        for file in (self.part, self._sealed):
            with suppress(OSError):
                file.unlink()
        self.close()

    def leave(self) -> None:
        """Leave what an interrupted run has written as it was."""
        (self.drop if self.is_new else self.close)()

    def close(self) -> None:
        """Leave what was written for a run that continues."""
        with suppress(OSError):
            self._stream.close()


def temporary_files(file: Path) -> tuple[Path, Path]:
    """Name the file that is written, and the one that it is made into, where that is another."""
    return file.with_name(f".{file.name}.part"), file.with_name(f".{file.name}.part.sealed")


def cannot_write(file: Path | str, error: OSError) -> BatchError:
    """Say why a file cannot be written."""
    if error.errno == errno.ENOSPC:
        then = "--resume" if isinstance(file, Path) else "-o FILE"
        return BatchError(f"{file} cannot be written: there is no space left; make room, then run again with {then}")
    return BatchError(f"{file} cannot be written: {error.strerror}")


def _open_again(part: Path) -> IO[bytes]:
    """Open what an interrupted run has left, and nothing that somebody else has put there; raise `BatchError`."""
    found = part.lstat()
    if stat.S_ISLNK(found.st_mode):
        raise BatchError(f"{part} is a link, through which another file would be overwritten; delete it")
    if not stat.S_ISREG(found.st_mode):
        raise BatchError(f"{part} is not a regular file; delete it")
    if found.st_nlink > 1:
        raise BatchError(f"{part} is another name of a file, which would be overwritten; delete it")
    # A link that takes its place meanwhile is not followed, and a pipe does not keep this process waiting.
    stream = os.fdopen(os.open(part, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK), "r+b")
    if not os.path.samestat(found, os.fstat(stream.fileno())):
        stream.close()
        raise BatchError(f"{part} was replaced while it was opened; run again")
    return stream


def _lock(stream: IO[bytes], part: Path) -> None:
    """Keep other runs from writing the same file; raise `BlockingIOError` where one does, or has just finished it."""
    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        is_there = os.path.samestat(part.lstat(), os.fstat(stream.fileno()))
    except FileNotFoundError:
        is_there = False
    if not is_there:
        raise BlockingIOError
