"""Large answers: those that are sent again and again are in memory once, and Granian reads them piece by piece."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

# Larger ones do not fit into the buffers of a connection, so that a client who does not read keeps them in memory.
LARGE = 64 * 1024
# What Granian and hyper have in memory of a file that they send, as it was measured.
PIECE = 448 * 1024
# The most that large answers may have in memory together, in one worker: 64 from files.
MOST_BYTES = 64 * PIECE


class Stored:
    """Bodies that never change, each in a file without a name (memfd_create(2)) from the first time it is sent."""

    def __init__(self, bodies: Iterable[bytes] = ()) -> None:
        self._bodies = {id(body): body for body in bodies if len(body) > LARGE}
        self._files: dict[int, int] = {}

    def path(self, body: bytes) -> str | None:
        """Return the path of a file with this very body; None for any other body, or where there is no such file."""
        if self._bodies.get(id(body)) is not body:
            return None
        if id(body) not in self._files and (written := _write(body)) is not None:
            self._files[id(body)] = written
        descriptor = self._files.get(id(body))
        return None if descriptor is None else f"/proc/self/fd/{descriptor}"

    def close(self) -> None:
        """Return the memory back; answers that are being sent have it until they are."""
        for descriptor in self._files.values():
            os.close(descriptor)
        self._files.clear()


def _write(body: bytes) -> int | None:
    if not hasattr(os, "memfd_create"):
        return None
    with contextlib.suppress(OSError):
        descriptor = os.memfd_create("engine-answer")
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(body)
        if Path(f"/proc/self/fd/{descriptor}").exists():
            return descriptor
        os.close(descriptor)
    return None
