"""A file that is written whole or not at all, and what an interrupted run needs to continue.

Until it is whole, it stands beside its place under a name of its own, with the state of the run in another file.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, Protocol, Self

from engine.batch.errors import BatchError
from engine.batch.formats.csvwriting import CsvWriter
from engine.batch.formats.jsonlines import JsonWriter
from engine.batch.formats.parsed import Writer
from engine.batch.running.state import State, read_state, state_file

STATE_SECONDS = 1.0

Seal = Callable[[IO[bytes], IO[bytes]], None]
"""Reads what was written, and writes the file that it becomes."""


class Output(Protocol):
    """Where bytes go."""

    def write(self, data: bytes) -> None:
        """Write some bytes; raise `BatchError`."""


class Whole:
    """A file that gets its name when it is whole."""

    def __init__(self, file: Path) -> None:
        """Take the place; raise `BatchError` where that cannot be."""
        file = file.resolve() if file.is_symlink() else file
        self.file = file
        self.part = file.with_name(f".{file.name}.part")
        self.size = 0
        if file.is_dir():
            raise BatchError(f"{file} is a folder; for a single input, name the file to write")
        if file.exists() and not file.is_file():
            raise BatchError(f"{file} is not a regular file and cannot be replaced; use -o - and redirect the output")
        try:
            self._stream: IO[bytes] = self.part.open("r+b" if self.part.exists() else "x+b")
        except OSError as error:
            raise _failed(file, error) from None
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
            raise _failed(self.file, error) from None
        self.size += len(data)

    def flush(self) -> None:
        """Have the system know of all that was written."""
        try:
            self._stream.flush()
        except OSError as error:
            raise _failed(self.file, error) from None

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
            raise _failed(self.file, error) from None
        self._stream.close()

    def _seal(self, seal: Seal) -> None:
        self._stream.seek(0)
        with self._sealed.open("wb") as sealed:
            seal(self._stream, sealed)
            sealed.flush()
            os.fsync(sealed.fileno())
        self._sealed.replace(self.file)
        self.part.unlink()

    @property
    def _sealed(self) -> Path:
        return self.part.with_name(f"{self.part.name}.sealed")

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


class Stdout:
    """Standard output."""

    def write(self, data: bytes) -> None:
        """Write some bytes."""
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


@contextmanager
def stdout_for(writer: Writer) -> Iterator[Output]:
    """Return standard output for what a writer writes."""
    if isinstance(writer, CsvWriter | JsonWriter):
        yield Stdout()
        return
    from engine.batch.formats.parquetfile import ParquetFile  # noqa: PLC0415 - needs pyarrow

    with ParquetFile(sys.stdout.buffer) as file:
        yield file


def seal_for(writer: Writer) -> Seal | None:
    """Return what makes a file of all that a writer has written, None where it is a file already."""
    if isinstance(writer, CsvWriter | JsonWriter):
        return None
    from engine.batch.formats.parquetfile import seal_parquet  # noqa: PLC0415 - needs pyarrow

    return seal_parquet


class Report:
    """The bad rows of a run that writes to standard output, in a file if there is one."""

    def __init__(self, file: Path | None) -> None:
        self._whole = Whole(file) if file is not None else None

    def __enter__(self) -> Self:
        if self._whole is not None:
            self._whole.begin(0)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._whole is not None:
            (self._whole.finish if kind is None else self._whole.drop)()

    def write(self, data: bytes) -> None:
        """Write some bytes; raise `BatchError`."""
        if self._whole is not None:
            self._whole.write(data)


class Files:
    """The files of one run: predictions, and perhaps bad rows, which appear together."""

    def __init__(self, predictions: Path, errors: Path | None, run: str) -> None:
        """Take their places; `run` identifies the input, the model and the options."""
        self.predictions = Whole(predictions)
        try:
            self.errors = Whole(errors) if errors is not None else None
        except BatchError:
            self.predictions.drop()
            raise
        self._run = run
        self._state = state_file(predictions)
        self._saved = time.monotonic()
        self._last: State | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._all():
            file.close()

    def _all(self) -> list[Whole]:
        return [self.predictions, *([self.errors] if self.errors is not None else [])]

    def begin(self) -> None:
        """Begin with nothing."""
        for file in self._all():
            file.begin(0)

    def resume(self) -> State | None:
        """Continue where an interrupted run has stopped; None where there was none.

        Raises `BatchError` for a run with another input, model or options.
        """
        state = read_state(self._state)
        if state is None or state.is_whole:
            return None
        if state.run != self._run:
            name = self.predictions.file
            raise BatchError(f"{name}: the interrupted run had another input, model or options; run without --resume")
        for file in self._all():
            file.begin(state.sizes[file.file.name])
        return state

    def reached(self, offset: int, line: int, rows: int, bad: int) -> None:
        """Hear how far the run has come, and remember it now and then; raise `BatchError`."""
        sizes = {file.file.name: file.size for file in self._all()}
        self._last = State(self._run, offset, line, rows, bad, sizes)
        if time.monotonic() - self._saved >= STATE_SECONDS:
            self._save(self._last)

    def save_last(self) -> None:
        """Remember how far the run has come, if that can be."""
        if self._last is not None:
            with suppress(BatchError):
                self._save(self._last)

    def _save(self, state: State) -> None:
        if not state.is_whole:
            for file in self._all():
                file.flush()
        new = self._state.with_suffix(".new")
        try:
            new.write_text(json.dumps(asdict(state)))
            new.replace(self._state)
        except OSError as error:
            raise _failed(self._state, error) from None
        self._saved = time.monotonic()

    @property
    def can_resume(self) -> bool:
        """Whether there is a state to continue from."""
        return self._state.exists()

    def finish(self, seal: Seal | None = None, *, keeps_state: bool = False) -> None:
        """Rename the files to their final names; the predictions go through `seal` first."""
        if self.errors is not None:
            self.errors.finish()
        self.predictions.finish(seal)
        if keeps_state and self._run and self._last is not None:
            self._save(replace(self._last, is_whole=True))
        else:
            self._forget()

    def drop(self) -> None:
        """Remove all that was written."""
        for file in self._all():
            file.drop()
        self._forget()

    def _forget(self) -> None:
        with suppress(OSError):
            self._state.unlink()


def _lock(stream: IO[bytes]) -> None:
    """Keep other runs from writing the same file; raise `BlockingIOError` where one does."""
    try:
        import fcntl  # noqa: PLC0415 - not on every system
    except ImportError:
        return
    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _failed(file: Path, error: OSError) -> BatchError:
    if error.errno == errno.ENOSPC:
        return BatchError(f"{file} cannot be written: there is no space left; make room, then run again with --resume")
    return BatchError(f"{file} cannot be written: {error.strerror}")
