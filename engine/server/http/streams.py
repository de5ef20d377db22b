"""Answers that are sent piece by piece, no faster than their clients read them."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

from engine.handling import close
from engine.server.http.sockets import Connection

logger = logging.getLogger("engine")

# Granian takes every piece at once and keeps it (for RSGI, https://github.com/emmett-framework/granian/pull/898 leaves
# that so), so after this many bytes a look at the kernel's queue says whether the client reads.
AHEAD_BYTES = 256 * 1024
_LOOK_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05)


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
        close(body)
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
