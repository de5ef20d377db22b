"""Reading a request's body without a thread: it arrives piece by piece, within limits of size, time and memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from typing import Any

from engine.endpoints import Problem
from engine.spec import Limits

# A body that is declared to be so short is asked for as a whole, which takes one call instead of two or three.
SMALL = 8 * 1024
# How long a client may take before it is held to a least speed; it is measured over so many seconds, too.
GRACE_SECONDS = 10.0
# The most that all bodies of this process may have in memory together.
HELD_BYTES = 64 * 1024 * 1024
_CLOSE = (("Connection", "close"),)


class End(Enum):
    """How the reading of a body ended."""

    WHOLE = auto()
    BROKEN = auto()  # cut short, or chunked in a way that is none
    LARGE = auto()  # larger than anything takes; there is more
    LATE = auto()  # it took too long
    SLOW = auto()  # fewer bytes a second than it must have
    CROWDED = auto()  # other bodies have all the memory


CROWDED = "the service is receiving too many other bodies"
"""What a request is refused for whose body ends so."""


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


class Clock:
    """Seconds in which this process was running: a pause of it, or of the machine, is no delay of its clients."""

    def __init__(self) -> None:
        self._lost = 0.0
        self._last = time.monotonic()

    def now(self) -> float:
        return time.monotonic() - self._lost

    def tick(self, most: float) -> float:
        """Return the time, `most` seconds after the tick before at the latest."""
        real = time.monotonic()
        self._lost += max(0.0, real - self._last - most)
        self._last = real
        return real - self._lost


@dataclass(frozen=True, slots=True)
class BodyBounds:
    """The size up to which a body is read, the seconds that it may take, and the least bytes a second."""

    most: int
    seconds: float
    rate: float

    def short(self) -> int:
        """Return the largest size of a body that is read as a whole: its time is up before its speed would count."""
        return SMALL if not self.rate else min(SMALL, int(self.rate * GRACE_SECONDS))


class _Body:
    """One body that is being read since `began`; `done` is called once, with what was read and how that ended."""

    __slots__ = ("_done", "_seconds", "_waits_for", "began")

    def __init__(self, done: Callable[[bytes, End], None], began: float, seconds: float) -> None:
        self.began = began
        self._done = [done]
        self._seconds = seconds
        self._waits_for: Any = None

    def check(self, now: float) -> None:
        """End it if it takes too long."""
        if now - self.began > self._seconds:
            self.stop(End.LATE)

    def stop(self, why: End) -> None:
        """End it now; any thread may call this."""
        if (done := self._take_done()) is None:
            return
        if (future := self._waits_for) is not None:
            self._waits_for = None
            future.cancel()
        done(b"", why)

    def _wait(self, future: Any) -> None:
        # A future keeps its callback, and with it this object, for as long as anybody keeps the future.
        self._waits_for = future
        future.add_done_callback(self._come)

    def _come(self, future: Any, context: Any = None) -> None:  # noqa: ARG002 - as asyncio calls it
        self._waits_for = None
        if self._done:  # else it was stopped, and the future cancelled
            self._take(future)

    def _take(self, future: Any) -> None:
        raise NotImplementedError

    def _end(self, body: bytes, how: End) -> None:
        if (done := self._take_done()) is not None:
            done(body, how)

    def _take_done(self) -> Callable[[bytes, End], None] | None:
        """Return what is to be called at the end, to whichever thread asks first; None to the others."""
        try:
            return self._done.pop()
        except IndexError:
            return None


class ShortReading(_Body):
    """A short body, which is read as a whole. Most requests have one, so it takes as few steps as possible."""

    __slots__ = ()

    def start(self, protocol: Any) -> None:
        self._wait(protocol())

    def _take(self, future: Any) -> None:
        try:
            body = future.result()
        except Exception:  # noqa: BLE001 - Granian has errors of its own
            self._end(b"", End.BROKEN)
            return
        self._end(body, End.WHOLE)


class Reading(_Body):
    """A body that is read piece by piece. Where it is not to be `kept`, it is read and dropped."""

    __slots__ = (
        "_checked",
        "_held",
        "_is_released",
        "_kept",
        "_left",
        "_lock",
        "_pieces",
        "_protocol",
        "_rate",
        "_size",
    )

    def __init__(
        self,
        protocol: Any,
        done: Callable[[bytes, End], None],
        held: Held,
        began: float,
        bounds: BodyBounds,
        *,
        kept: bool = True,
    ) -> None:
        super().__init__(done, began, bounds.seconds)
        self._protocol = protocol
        self._held = held
        self._left = bounds.most
        self._rate = bounds.rate
        self._kept = kept
        self._pieces: list[bytes] = []
        self._size = 0
        self._is_released = False
        self._lock = threading.Lock()
        self._checked = (began, bounds.most)

    def start(self, *, goes_on: bool = False) -> None:
        """Begin to read, or go on where another has stopped."""
        if not goes_on:
            self._protocol.__aiter__()
        self._wait(self._protocol.__anext__())

    def check(self, now: float) -> None:
        """End it if it takes too long, or was too slow since it was last found fast enough."""
        super().check(now)
        since, left = self._checked
        if now - since > GRACE_SECONDS:
            if left - self._left < self._rate * (now - since):
                self.stop(End.SLOW)
            self._checked = (now, self._left)

    def release(self) -> None:
        """Count its bytes as gone and let go of its connection, once it is answered; a piece may still arrive."""
        with self._lock:
            self._is_released = True
            self._held.add(-self._size)
            self._size = 0
        self._protocol = None

    def _take(self, future: Any) -> None:
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
        elif (protocol := self._protocol) is not None:  # else it was stopped and answered meanwhile
            self._wait(protocol.__anext__())

    def _keep(self, piece: bytes) -> bool:
        with self._lock:
            if self._is_released:
                return True
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


def body_problem(end: End, limits: Limits, *, is_chunked: bool) -> Problem | None:
    """Make the problem with a body that was not read to its end; the handler itself finds one that is too large."""
    match end:
        case End.BROKEN:
            chunked = "the chunked body is malformed, cut short, or has trailers, which are not supported"
            detail = chunked if is_chunked else "the body ended before its declared length"
            return Problem(HTTPStatus.BAD_REQUEST, detail, headers=_CLOSE)
        case End.LATE:
            detail = f"the body did not arrive within {limits.body_time:g} s (limits.body_time)"
            return Problem(HTTPStatus.REQUEST_TIMEOUT, detail, headers=_CLOSE)
        case End.SLOW:
            rate = f"{limits.body_rate:,} bytes a second"
            detail = f"the body arrived too slowly; it must have at least {rate} (limits.body_rate)"
            return Problem(HTTPStatus.REQUEST_TIMEOUT, detail, headers=_CLOSE)
    return None
