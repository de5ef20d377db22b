"""Micro-batching: requests that wait for the same model share one call of it.

scikit-learn takes almost as long for one row as for many. While one thread computes, the others queue up; the next
one takes all that wait. Who was just answered may ask again at once, so a call waits a little for as many callers as
there were a moment ago; without that, callers fall into groups that take turns. Nobody who is alone waits for company.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from engine.models.predictor import Answer, Runtime
from engine.models.rows import count_rows, join_rows


class _Call:
    """One caller's rows, and what becomes of them.

    `ready` wakes the caller: to take its answer or error or, where there is neither, to compute for all who wait.
    """

    def __init__(self, rows: Any) -> None:
        self.rows = rows
        self.count = count_rows(rows)
        self.answer: Answer | None = None
        self.error: BaseException | None = None
        self.ready = threading.Event()

    @property
    def is_done(self) -> bool:
        """Tell whether there is an answer, or an error in its place."""
        return self.answer is not None or self.error is not None


class SharedRuntime:
    """A runtime whose callers share calls of at most `max_size` rows.

    Where there was company a moment ago, a call waits up to `max_wait` seconds for as many callers to be back.
    """

    def __init__(self, runtime: Runtime, max_size: int, max_wait: float) -> None:
        self._runtime = runtime
        self._max_size = max_size
        self._max_wait = max_wait
        self._arrival = threading.Condition()
        self._waiting: deque[_Call] = deque()
        self._busy = False
        self._callers = 1  # in the last call, and waiting at its end

    def __call__(self, rows: Any) -> Answer:
        """Answer, alone or with others; raise what the rows raise by themselves."""
        call = _Call(rows)
        with self._arrival:
            self._waiting.append(call)
            self._arrival.notify()
            first, self._busy = not self._busy, True
        if not first:
            call.ready.wait()
        if not call.is_done:
            self._lead()
        if call.answer is None:
            raise call.error or RuntimeError("a call without an answer")
        return call.answer

    def _lead(self) -> None:
        """Compute for those who wait longest, oneself among them; then hand over to the next."""
        calls = self._take()
        if len(calls) == 1 or not self._compute_together(calls):
            for call in calls:
                try:
                    call.answer = self._runtime(call.rows)
                except BaseException as error:  # noqa: BLE001 - it is the caller's own, and raised there
                    call.error = error
        with self._arrival:
            self._callers = len(calls) + len(self._waiting)
            self._busy = bool(self._waiting)
            woken = [*calls, *list(self._waiting)[:1]]
        for call in woken:
            call.ready.set()

    def _take(self) -> list[_Call]:
        """Take the longest waiting, as many as fit into one call; at least one."""
        with self._arrival:
            if self._callers > 1 and self._max_wait:
                self._arrival.wait_for(self._are_all_here, self._max_wait)
            taken = [self._waiting.popleft()]
            count = taken[0].count
            while self._waiting and count + self._waiting[0].count <= self._max_size:
                taken.append(self._waiting.popleft())
                count += taken[-1].count
            return taken

    def _are_all_here(self) -> bool:
        full = sum(call.count for call in self._waiting) >= self._max_size
        return full or len(self._waiting) >= self._callers

    def _compute_together(self, calls: list[_Call]) -> bool:
        """Answer several calls by one; tell whether that worked, since one bad row fails all."""
        try:
            whole = self._runtime(join_rows([call.rows for call in calls]))
        except Exception:  # noqa: BLE001 - each is asked alone then, and told its own error
            return False
        begin = 0
        for call in calls:
            end = begin + call.count
            chances = whole.probabilities[begin:end] if whole.probabilities is not None else None
            call.answer = Answer(whole.result[begin:end], chances)
            begin = end
        return True
