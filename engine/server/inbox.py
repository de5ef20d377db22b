"""Events for the supervisor's thread, in a queue whose wait is ended by signals too.

Python runs a signal's handler in the main thread, but the kernel may deliver the signal to any thread. A main thread
that waits for a lock then sleeps on, and the signal is lost. So the wait here is for a socket, to which Python writes a
byte whenever a signal arrives (`signal.set_wakeup_fd`), whichever thread the kernel chose.
"""

from __future__ import annotations

import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Event = Callable[[], None]

_ALL = 65_536
_STEP_SECONDS = 0.01


class Inbox:
    """A queue of events that one thread takes; any thread and any signal handler may put."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)

    def put(self, event: Event) -> None:
        """Add an event and wake the thread that waits."""
        self._events.append(event)
        with suppress(BlockingIOError):  # full of bytes that are not read yet, which wake it as well
            self._writer.send(b"\0")

    def get(self, seconds: float | None) -> Event | None:
        """Return the next event, or None if there was none after some seconds or when a signal arrived."""
        if not self._events:
            self._sleep(seconds)
        return self._events.popleft() if self._events else None

    def wait_until(self, holds: Callable[[], bool], seconds: float) -> None:
        """Drop all events until something holds, for some seconds at most; `holds` is asked again and again."""
        deadline = time.monotonic() + seconds
        while not holds() and (left := deadline - time.monotonic()) > 0:
            self.get(min(left, _STEP_SECONDS))

    @contextmanager
    def woken_by_signals(self) -> Iterator[None]:
        """Have signals end the wait; only for the main thread, which runs their handlers."""
        before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)

    def _sleep(self, seconds: float | None) -> None:
        self._reader.settimeout(None if seconds is None else max(seconds, 0.001))
        with suppress(TimeoutError):
            self._reader.recv(_ALL)
