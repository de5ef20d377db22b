"""Reading a request's body without a thread: it arrives piece by piece, within limits of size, time and memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from enum import Enum, auto
from typing import Any

# A body that is declared to be so short is asked for as a whole, which takes one call instead of two or three.
SMALL = 8 * 1024
# How long a client may take before it is held to a least speed; it is measured over so many seconds, too.
GRACE_SECONDS = 10.0
# The most that all bodies of this process may have in memory together.
HELD_BYTES = 64 * 1024 * 1024


class End(Enum):
    """How the reading of a body ended."""

    WHOLE = auto()
    BROKEN = auto()  # cut short, or chunked in a way that is none
    LARGE = auto()  # larger than anything takes; there is more
    SLOW = auto()
    CROWDED = auto()  # other bodies have all the memory


class Held:
    """The bytes that the bodies of this process have in memory."""

    def __init__(self, most: int = HELD_BYTES) -> None:
        self.most = most
        self._bytes = 0
        self._lock = threading.Lock()

    def add(self, count: int) -> bool:
        """Count bytes in, or out where negative; tell whether they are few enough."""
        with self._lock:
            self._bytes += count
            return self._bytes <= self.most


class Reading:
    """One body that is being read; `done` is called once, with what was read and how that ended.

    `most` is the size up to which it is read, `seconds` how long it may take, and `rate` the least bytes a second.
    Where it is not to be `kept`, it is read and dropped.
    """

    __slots__ = (
        "_checked",
        "_done",
        "_held",
        "_kept",
        "_left",
        "_pieces",
        "_protocol",
        "_rate",
        "_seconds",
        "_size",
        "_waits_for",
        "began",
    )

    def __init__(  # noqa: PLR0913 - one value for each bound
        self,
        protocol: Any,
        done: Callable[[bytes, End], None],
        held: Held,
        most: int,
        seconds: float,
        rate: float,
        *,
        kept: bool = True,
    ) -> None:
        self.began = time.monotonic()
        self._protocol = protocol
        self._done = [done]
        self._held = held
        self._left = most
        self._seconds = seconds
        self._rate = rate
        self._kept = kept
        self._pieces: list[bytes] = []
        self._size = 0
        self._checked = (self.began, most)
        self._waits_for: Any = None

    def start(self, declared: int | None, *, goes_on: bool = False) -> None:
        """Begin to read, or go on where another has stopped.

        `declared` is the Content-Length, None where that is not known or does not matter.
        """
        if self._kept and declared is not None and declared <= SMALL:
            self._wait(self._protocol(), self._take_whole)
        else:
            if not goes_on:
                self._protocol.__aiter__()
            self._wait(self._protocol.__anext__(), self._take_piece)

    def check(self, now: float) -> None:
        """End it where it takes too long, or was too slow since it was last found fast enough."""
        since, left = self._checked
        if now - self.began > self._seconds:
            self.stop(End.SLOW)
        elif now - since > GRACE_SECONDS:
            if left - self._left < self._rate * (now - since):
                self.stop(End.SLOW)
            self._checked = (now, self._left)

    def stop(self, why: End) -> None:
        """End it now; any thread may call this."""
        if (done := self._take_done()) is None:
            return
        if (future := self._waits_for) is not None:
            self._waits_for = None
            future.cancel()
        done(b"", why)

    def release(self) -> None:
        """Count its bytes as gone, once its request is answered."""
        self._protocol = None
        self._held.add(-self._size)
        self._size = 0

    def _wait(self, future: Any, then: Callable[[Any], None]) -> None:
        # A future keeps its callback, and with it this object, for as long as anybody keeps the future.
        self._waits_for = future
        future.add_done_callback(then)

    def _take_done(self) -> Callable[[bytes, End], None] | None:
        """Return what is to be called at the end, to the first who asks."""
        try:
            return self._done.pop()
        except IndexError:
            return None

    def _end(self, body: bytes, how: End) -> None:
        if done := self._take_done():
            done(body, how)

    def _take_whole(self, future: Any) -> None:
        self._waits_for = None
        if not self._done:  # it was stopped, and the future cancelled
            return
        try:
            body = future.result()
        except Exception:  # noqa: BLE001 - Granian has errors of its own
            self._end(b"", End.BROKEN)
            return
        self._end(body, End.WHOLE)

    def _take_piece(self, future: Any) -> None:
        self._waits_for = None
        if not self._done:
            return
        piece: bytes = future.result()
        if not piece:
            self._end(self._joined(), End.WHOLE if self._is_exhausted() else End.BROKEN)
            return
        self._left -= len(piece)
        has_room = not self._kept or self._keep(piece)
        if self._left < 0:
            self._end(self._joined(), End.LARGE)
        elif not has_room:
            self._end(b"", End.CROWDED)
        else:
            self._wait(self._protocol.__anext__(), self._take_piece)

    def _keep(self, piece: bytes) -> bool:
        self._pieces.append(piece)
        self._size += len(piece)
        return self._held.add(len(piece))

    def _joined(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)

    def _is_exhausted(self) -> bool:
        """Tell whether the body has ended, and no error has ended it: Granian gives an empty piece for both."""
        try:
            self._protocol.__anext__()
        except StopAsyncIteration:
            return True
        return False
