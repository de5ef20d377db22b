"""Micro-batching: requests that wait for the same model share one call of it.

scikit-learn takes almost as long for one row as for many. While a thread computes, requests queue up; its next call
takes all that wait. Clients that were just answered may send their next request at once, so a call waits a little for
as many callers as there were a moment ago; otherwise callers fall into groups that take turns. A single caller never
waits for others.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from engine.errors import Overloaded
from engine.models.data.rows import count_rows, join_rows, slice_rows
from engine.models.runtime.answer import Answer, Runtime

IDLE_SECONDS = 10.0


class OneByOne:
    """A runtime that computes the rows of a call one by one, for a model whose answers depend on the batch."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def __call__(self, rows: Any) -> Answer:
        """Answer; raise the exception of a row that fails."""
        answers = [self._runtime(slice_rows(rows, place, place + 1)) for place in range(count_rows(rows))]
        chances = [one.probabilities[0] for one in answers if one.probabilities is not None]
        return Answer([one.result[0] for one in answers], chances if len(chances) == len(answers) else None)


class _Call:
    """One caller's rows, and their result."""

    __slots__ = ("answer", "count", "error", "ready", "rows")

    def __init__(self, rows: Any) -> None:
        self.rows = rows
        self.count = count_rows(rows)
        self.answer: Answer | None = None
        self.error: BaseException | None = None
        self.ready = threading.Event()


class SharedRuntime:
    """A runtime whose callers share calls of at most `max_size` rows.

    If there were several callers a moment ago, a call waits for as many again: as long as the previous call took, and
    up to `max_wait` seconds. A caller waits up to `timeout` seconds for its answer. One thread computes, while there is
    work.
    """

    def __init__(self, runtime: Runtime, max_size: int, max_wait: float, timeout: float) -> None:
        self._alone = runtime
        self._observe: Callable[[int], None] = lambda _: None
        self._max_size = max_size
        self._max_wait = max_wait
        self._timeout = timeout
        self._arrival = threading.Condition()
        self._waiting: deque[_Call] = deque()
        self._running = False
        self._callers = 1  # in the last call, and waiting at its end
        self._seconds = 0.0  # of the last call

    def watch(self, observe: Callable[[int], None]) -> None:
        """Report the number of rows of every call."""
        self._observe = observe

    def _runtime(self, rows: Any) -> Answer:
        self._observe(count_rows(rows))
        return self._alone(rows)

    def __call__(self, rows: Any) -> Answer:
        """Answer, alone or with others; raise the rows' own exception, or `Overloaded`."""
        call = _Call(rows)
        with self._arrival:
            self._waiting.append(call)
            self._arrival.notify()
            if not self._running:
                threading.Thread(target=self._compute, name="model", daemon=True).start()
                self._running = True
        if not call.ready.wait(self._timeout):
            with self._arrival, contextlib.suppress(ValueError):  # it may be computed just now
                self._waiting.remove(call)
            raise Overloaded(f"the model has not answered within {self._timeout:g} seconds")
        if call.answer is None:
            raise call.error or RuntimeError("a call without an answer")
        return call.answer

    def _compute(self) -> None:
        """Answer the longest waiting callers, call after call, until none come for a while."""
        while calls := self._take():
            begin = time.monotonic()
            if len(calls) == 1 or not self._answer_together(calls):
                for call in calls:
                    try:
                        call.answer = self._runtime(call.rows)
                    except BaseException as error:  # noqa: BLE001 - it is the caller's own, and raised there
                        call.error = error
            self._seconds = time.monotonic() - begin
            self._callers = len(calls) + len(self._waiting)
            for call in calls:
                call.ready.set()

    def _take(self) -> list[_Call]:
        """Take the longest waiting callers, as many as fit into one call; none if none come for a while."""
        with self._arrival:
            while True:
                if self._callers > 1 and self._max_wait:
                    self._arrival.wait_for(self._are_all_here, self._patience())
                taken: list[_Call] = []
                count = 0
                while self._waiting and (not taken or count + self._waiting[0].count <= self._max_size):
                    taken.append(self._waiting.popleft())
                    count += taken[-1].count
                if taken:
                    return taken
                self._callers = 1
                if not self._arrival.wait_for(lambda: self._waiting, IDLE_SECONDS):
                    self._running = False
                    return []

    def _patience(self) -> float:
        """Return the seconds that a call may wait for others: it can save no more than another call."""
        return min(self._max_wait, self._seconds)

    def _are_all_here(self) -> bool:
        full = sum(call.count for call in self._waiting) >= self._max_size
        return full or len(self._waiting) >= self._callers

    def _answer_together(self, calls: list[_Call]) -> bool:
        """Answer several callers by one call; return whether that worked, since one bad row fails all."""
        try:
            whole = self._runtime(join_rows([call.rows for call in calls]))
        except BaseException:  # noqa: BLE001 - each is asked alone then, and told its own error
            return False
        begin = 0
        for call in calls:
            end = begin + call.count
            chances = whole.probabilities[begin:end] if whole.probabilities is not None else None
            call.answer = Answer(whole.result[begin:end], chances)
            begin = end
        return True
