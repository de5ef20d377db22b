"""Inputs by name: their formats, compressed or not, and how to read each of them from its beginning or from a place."""

from __future__ import annotations

import difflib
import gzip
import io
import os
import shutil
import stat
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, cast

from engine.batch.scoring_errors import BatchError

FormatName = Literal["csv", "jsonl", "parquet"]
_ENDINGS: dict[str, FormatName] = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".tsv": "csv",
    ".txt": "csv",
}
# Files that other programs would open by their names, and find something else in them.
_OTHERS = frozenset(
    ".arrow .avro .bz2 .db .feather .h5 .htm .html .ipc .json .ods .orc .pdf .pickle .pkl .sqlite .xls .xlsb .xlsm "
    ".xlsx .xml .xz .yaml .yml .zip .zst".split()
)
_SPREADSHEETS = frozenset(".ods .xls .xlsb .xlsm .xlsx".split())
_GZIP = b"\x1f\x8b"
STDIN = "-"


def format_of(name: str) -> FormatName | None:
    """Tell a file's format by its name, None where that tells none."""
    return _ENDINGS.get(Path(name.lower().removesuffix(".gz")).suffix)


def is_foreign(name: str) -> bool:
    """Tell whether a file's name is that of a format which is neither read nor written."""
    return Path(name.lower().removesuffix(".gz")).suffix in _OTHERS


def is_compressed(name: str) -> bool:
    """Tell whether a file is to be compressed by its name."""
    return name.lower().endswith(".gz")


class UnclearFormat(BatchError):
    """Neither an option nor the name of an input tells its format, which is wrong usage."""


@dataclass(frozen=True, slots=True)
class Input:
    """A file, or standard input where the name is `-`."""

    name: str

    @property
    def shown(self) -> str:
        """What messages call it."""
        return "stdin" if self.name == STDIN else self.name

    def format(self, chosen: FormatName | None) -> FormatName:
        """Return the format that was chosen, else the one that the name tells; raise `UnclearFormat`."""
        kind = chosen or format_of(self.name)
        if kind is None and Path(self.name.lower()).suffix in _SPREADSHEETS:
            raise UnclearFormat(f"{self.name}: spreadsheets cannot be read; save it as CSV")
        if kind is None:
            raise UnclearFormat(f"{self.shown}: unclear format; use --format csv, jsonl or parquet")
        return kind

    def identify(self) -> list[object]:
        """Return what changes when the file does."""
        found = Path(self.name).stat()
        return [os.path.abspath(self.name), found.st_size, found.st_mtime_ns, found.st_ino]  # noqa: PTH100

    def open(self) -> Stream:
        """Open it; raise `BatchError`."""
        if self.name == STDIN:
            return Stream(self.shown, cast("IO[bytes]", sys.stdin.buffer), None)
        try:
            stream = Path(self.name).open("rb")  # noqa: SIM115
        except OSError as error:
            raise BatchError(f"{self.name} cannot be read: {error.strerror}{self._meant()}") from None
        found = os.fstat(stream.fileno())
        return Stream(self.shown, stream, found.st_size if stat.S_ISREG(found.st_mode) else None)

    def _meant(self) -> str:
        """Suggest a file in the folder whose name is like this one."""
        path = Path(self.name)
        files = [one.name for one in path.parent.glob("*") if one.is_file()]
        near = difflib.get_close_matches(path.name, files, n=1, cutoff=0.8)  # they end alike
        return f' (did you mean "{path.with_name(near[0])}"?)' if near and not path.exists() else ""


class Stream:
    """The bytes of an input, decompressed; `size` is that of the file, None where it is not known."""

    def __init__(self, name: str, raw: IO[bytes], size: int | None) -> None:
        """Look at the first bytes; raise `BatchError`."""
        self.name = name
        self.size = size
        self._raw = raw if isinstance(raw, io.BufferedReader) else io.BufferedReader(cast("io.RawIOBase", raw))
        try:
            self.is_compressed = self._raw.peek(2)[:2] == _GZIP
        except OSError as error:
            raise BatchError(f"{name} cannot be read: {error.strerror}") from None
        self._stream = cast("IO[bytes]", gzip.open(self._raw) if self.is_compressed else self._raw)  # noqa: SIM115

    def read(self, size: int = -1) -> bytes:
        """Read some bytes; raise `BatchError`."""
        with self._told():
            return self._stream.read(size)

    def readline(self, size: int = -1) -> bytes:
        """Read a line; raise `BatchError`."""
        with self._told():
            return self._stream.readline(size)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Raise `BatchError` for what cannot be read."""
        try:
            yield
        except (OSError, EOFError, zlib.error) as error:
            why = "it is damaged, or incomplete" if self.is_compressed else getattr(error, "strerror", None)
            raise BatchError(f"{self.name} cannot be read: {why}") from None

    def seek(self, offset: int) -> None:
        """Continue at an offset of the decompressed bytes."""
        self._stream.seek(offset)

    def seekable(self) -> IO[bytes]:
        """Return the bytes as a file that can be read from its end; what comes from a pipe is stored for it."""
        if self._raw.seekable():
            return self._raw
        with self._told():
            stored = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
            shutil.copyfileobj(self._raw, stored)
        return stored

    @property
    def position(self) -> int | None:
        """How much of the file was read, in its own bytes; None where that is not known."""
        return self._raw.tell() if self.size is not None else None

    def close(self) -> None:
        self._stream.close()
        self._raw.close()


class Prefixed:
    """A stream with some bytes put back in front that were read ahead."""

    def __init__(self, data: bytes, stream: Stream) -> None:
        self._data = data
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        data, self._data = self._data, b""
        return data or self._stream.read(size)

    def readline(self, size: int = -1) -> bytes:
        data, self._data = self._data, b""
        return data or self._stream.readline(size)


class Limited:
    """A stream that ends after so many bytes."""

    def __init__(self, stream: Stream, size: int) -> None:
        self._stream = stream
        self._left = size

    def read(self, size: int = -1) -> bytes:
        return self._taken(self._stream.read(self._left if size < 0 else min(size, self._left)))

    def readline(self, size: int = -1) -> bytes:
        return self._taken(self._stream.readline(self._left if size < 0 else min(size, self._left)))

    def _taken(self, data: bytes) -> bytes:
        self._left -= len(data)
        return data


def expand_inputs(names: tuple[str, ...]) -> list[Input]:
    """Take inputs by their names or by patterns; raise `BatchError` for a pattern that matches nothing."""
    return [Input(found) for name in names for found in _matching(name)]


def _matching(name: str) -> Iterator[str]:
    if name == STDIN or os.path.lexists(name) or not any(mark in name for mark in "*?["):
        yield name
        return
    import glob  # noqa: PLC0415 - shells have done this most times

    found = sorted(glob.glob(name, recursive=True))  # noqa: PTH207 - a pattern may begin anywhere
    if not found:
        raise BatchError(f"no file matches {name}")
    yield from found
