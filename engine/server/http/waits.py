"""Requests whose answers are sent later, without a thread for each: one thread takes them as they fall due.

The thread begins with the first of them. How many there are is bounded by `limits.concurrent` of each route.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Iterable
from typing import Any, Protocol

logger = logging.getLogger("engine")

# So few are kept until they fall due, whether they are over or not.
_FEW = 64


class GoOn(Protocol):
    """What is done after a wait, by whichever thread ends it; it waits for nothing itself."""

    def __call__(self, *, is_gone: bool) -> None:
        """Go on; `is_gone` says that the client has gone meanwhile."""


class Wait:
    """A request that waits for so many seconds; what comes then is done once, whoever ends the wait."""

    __slots__ = ("_go_on", "client", "seconds")

    def __init__(self, client: str, seconds: float, go_on: GoOn) -> None:
        self.client, self.seconds = client, seconds
        self._go_on: list[GoOn] = [go_on]

    @property
    def is_over(self) -> bool:
        return not self._go_on

    def end(self, *, is_gone: bool = False) -> None:
        """Go on now; any thread may call this, at any time."""
        try:
            go_on = self._go_on.pop()
        except IndexError:  # it is over
            return
        go_on(is_gone=is_gone)

    def leave(self, *_: Any, **__: Any) -> None:
        """Go on without the client; this is what a future calls."""
        self.end(is_gone=True)


class Waits:
    """The waits of one worker, until the service stops: then each of them ends at once."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Wait]] = []  # by the time when each is due
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._many = _FEW
        self._has_thread = self._is_stopping = False

    def add(self, wait: Wait) -> None:
        """Have a wait end in time."""
        with self._changed:
            is_kept = not self._is_stopping and self._start()
            if is_kept:
                self._drop_those_over()
                entry = (time.monotonic() + wait.seconds, next(self._numbers), wait)
                heapq.heappush(self._heap, entry)
                if self._heap[0] is entry:
                    self._changed.notify()
        if not is_kept:
            wait.end()

    def of_clients(self) -> dict[str, Wait]:
        """Return the waits that are not over, each by its client."""
        if not self._heap:
            return {}
        with self._changed:
            return {wait.client: wait for _, _, wait in self._heap if not wait.is_over}

    def end(self) -> None:
        """End all waits now, and those of later requests as they come."""
        with self._changed:
            self._is_stopping = True
            due = self._take_due()
        _end_each(due)

    def _start(self) -> bool:
        """Start the thread, if it does not run; return whether it does."""
        if not self._has_thread:
            try:
                threading.Thread(target=self._run, name="waits", daemon=True).start()
            except RuntimeError:  # there is no room for another thread
                return False
            self._has_thread = True
        return True

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._is_due():
                    self._changed.wait(self._seconds_left())
                due = self._take_due()
            _end_each(due)

    def _is_due(self) -> bool:
        return bool(self._heap) and (self._is_stopping or self._heap[0][0] <= time.monotonic())

    def _seconds_left(self) -> float | None:
        return max(0.0, self._heap[0][0] - time.monotonic()) if self._heap else None

    def _take_due(self) -> list[Wait]:
        due: list[Wait] = []
        while self._is_due():
            due.append(heapq.heappop(self._heap)[2])
        return due

    def _drop_those_over(self) -> None:
        """Drop the waits that are over, whenever there may be as many of them as of the others."""
        if len(self._heap) >= self._many:
            self._heap = [entry for entry in self._heap if not entry[2].is_over]
            heapq.heapify(self._heap)
            self._many = max(_FEW, 2 * len(self._heap))


def _end_each(waits: Iterable[Wait]) -> None:
    for wait in waits:
        try:
            wait.end()
        except Exception:
            logger.exception("a delayed request failed")
