"""Large answers, and those that are sent piece by piece.

Answers that are sent again and again are in memory once, and Granian reads them piece by piece. Those that come in
pieces are sent no faster than their clients read them.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from engine.handling import close_body
from engine.server.http.sockets import Connection

# Larger ones do not fit into the buffers of a connection, so that a client who does not read keeps them in memory.
LARGE = 64 * 1024
# What Granian and hyper have in memory of a file that they send, as it was measured.
PIECE = 448 * 1024
# The most that large answers may have in memory together, in one worker: 64 from files.
MOST_BYTES = 64 * PIECE
# Granian takes every piece at once and keeps it (for RSGI, https://github.com/emmett-framework/granian/pull/898 leaves
# that so), so after this many bytes a look at the kernel's queue says whether the client reads.
AHEAD_BYTES = 256 * 1024
_LOOK_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05)
logger = logging.getLogger("engine")


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


def send_pieces(transport: Any, body: Iterable[bytes], connection: Callable[[], Connection | None]) -> int:
    """Send a body, and return its size; stop where the client is gone.

    This takes as long as the client reads. If the body fails, the connection is closed, so that the client cannot take
    what it has for the whole.
    """
    size = ahead = 0
    known: Connection | None = None
    try:
        for piece in filter(None, body):  # an empty one would say that it is the last
            if not _is_taken(transport.send_bytes(piece)):
                break
            size += len(piece)
            ahead += len(piece)
            if ahead >= AHEAD_BYTES:
                known, ahead = known or connection(), 0
                _wait_for_reader(known)
    except Exception:
        logger.exception("an answer failed after its beginning was sent")
        if (broken := connection()) is not None:
            broken.close(at_once=True)
    finally:
        close_body(body)
    return size


def _is_taken(sent: Any) -> bool:
    """Return whether Granian has taken a piece; it gives an awaitable that is done already, and fails if it has not."""
    try:
        next(iter(sent), None)
    except Exception:  # noqa: BLE001 - Granian has errors of its own
        return False
    return True


def _wait_for_reader(connection: Connection | None) -> None:
    """Wait until the kernel has sent all that it was given, if the system tells."""
    looks = itertools.chain(_LOOK_SECONDS, itertools.repeat(_LOOK_SECONDS[-1]))
    while connection is not None and not connection.is_closed and connection.has_unsent():
        time.sleep(next(looks))
