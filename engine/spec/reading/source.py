"""The text of a spec file, and how an offset in it becomes a place with line and column."""

from __future__ import annotations

import codecs
import re
from bisect import bisect_right
from functools import cached_property
from pathlib import Path

from engine.diagnostics import Diagnostic, Place
from engine.errors import SpecError
from engine.spec.named_files import near_by, read_regular

MAX_BYTES = 8 * 1024 * 1024
_LINE_END = re.compile(r"\r\n|\r|\n")


class Source:
    """One file's text, under the name that messages use for it.

    `folder` is the file's folder, relative to the spec's own: names in the file are relative to it. `via` says why the
    file is read (see `Place`). `secrets` are the values of environment variables, by the references to them in the
    text, and `definitions` the names of the schemas at its top.
    """

    def __init__(self, name: str, text: str, folder: str = "", via: tuple[str, ...] = ()) -> None:
        self.name = name
        self.text = text
        self.folder = folder
        self.via = via
        self.secrets: dict[str, str] = {}
        self.definitions: frozenset[str] = frozenset()

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(end.end() for end in _LINE_END.finditer(self.text))]

    def place(self, start: int, end: int) -> Place:
        """Return the place of `text[start:end]`, or of its first line if it has several."""
        start = min(max(start, 0), len(self.text))
        line = bisect_right(self._line_starts, start) - 1
        first = self._line_starts[line]
        stop = self._line_starts[line + 1] if line + 1 < len(self._line_starts) else len(self.text)
        text = self.text[first:stop].rstrip("\r\n")
        width = max(1, min(end, first + len(text)) - start)
        return Place(self.name, line + 1, start - first + 1, width, text, self.via)

    def error(self, start: int, end: int, message: str) -> SpecError:
        """Make the error that ends the reading of this file."""
        return SpecError([Diagnostic(self.place(start, end), message)])


def read_data(path: Path) -> bytes:
    """Read a spec file's bytes, not many more than are allowed; raise `SpecError`."""
    whole = Place(str(path))
    try:
        return read_regular(path, MAX_BYTES + 1)
    except FileNotFoundError:
        meant = (
            near_by(path.parent, path.name) or "; go to the folder of your spec, or begin one: python -m engine init"
        )
        raise SpecError([Diagnostic(whole, f"the file does not exist{meant}")]) from None
    except IsADirectoryError:
        raise SpecError([Diagnostic(whole, "this is a folder; name the file in it")]) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SpecError([Diagnostic(whole, f"the file cannot be read: {reason}")]) from None


def decode_source(data: bytes, name: str, folder: str = "", via: tuple[str, ...] = ()) -> Source:
    """Turn a spec file's bytes into text; raise `SpecError` if it is too large or not UTF-8."""
    if len(data) > MAX_BYTES:
        message = f"the file is larger than {MAX_BYTES // 1024**2} MiB; a spec is not the place for data"
        raise SpecError([Diagnostic(Place(name, via=via), message)])
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise SpecError([Diagnostic(Place(name, via=via), "the file is UTF-16; save it as UTF-8")])
    try:
        return Source(name, data.decode("utf-8-sig"), folder, via)
    except UnicodeDecodeError as error:
        before = Source(name, data[: error.start].decode("utf-8-sig", "replace") + "�", folder, via)
        message = f"the file is not UTF-8 (byte 0x{data[error.start]:02x}); save it as UTF-8"
        raise before.error(len(before.text) - 1, len(before.text), message) from None
