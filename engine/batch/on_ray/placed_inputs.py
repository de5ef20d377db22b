"""Inputs that any machine of a cluster opens: at URIs, and at paths that all machines see."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from engine.batch.inputs import Input, Stream, expand_inputs
from engine.batch.on_ray.storage import is_uri, match_uris, open_system, without_secrets
from engine.batch.scoring_errors import BatchError


@dataclass(frozen=True, slots=True)
class PlacedInput(Input):
    """An input whose messages have its name, and which is opened at a place: an absolute path, or a URI."""

    place: str = ""

    def identify(self) -> list[object]:
        """Return what changes when the file does; raise `BatchError`."""
        system, path = open_system(self.place)
        try:
            found = system.get_file_info(path)
        except OSError as error:
            raise BatchError(f"{self.shown} cannot be read: {error}") from None
        return [self.place, found.size, found.mtime_ns]

    def open(self) -> Stream:
        """Open it; raise `BatchError`."""
        if not is_uri(self.place):
            return self._open_local()
        system, path = open_system(self.place)
        try:
            file = system.open_input_file(path)
        except OSError as error:
            why = "No such file or directory" if isinstance(error, FileNotFoundError) else error
            raise BatchError(f"{self.shown} cannot be read: {why}") from None
        return Stream(self.shown, cast("IO[bytes]", io.BufferedReader(cast("Any", file))), file.size())

    def _open_local(self) -> Stream:
        try:
            stream = Input(self.place).open()
        except BatchError as error:
            raise BatchError(str(error).replace(self.place, self.name)) from None
        stream.name = self.shown
        return stream


def place_inputs(names: tuple[str, ...]) -> list[PlacedInput]:
    """Find inputs by their names, URIs or patterns of these; raise `BatchError` for a pattern that matches nothing."""
    return [one for name in names for one in _placed(name)]


def _placed(name: str) -> list[PlacedInput]:
    if not is_uri(name):
        return [PlacedInput(one.name, str(Path(one.name).absolute())) for one in expand_inputs((name,))]
    if "*" not in name and "[" not in name:
        return [PlacedInput(without_secrets(name), name)]
    found = match_uris(name)
    if not found:
        raise BatchError(f"no file matches {without_secrets(name)}")
    return [PlacedInput(without_secrets(one), one) for one in found]
