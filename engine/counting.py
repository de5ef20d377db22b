"""Plain numbers of one process that any number of threads add to, without a lock for each.

Whatever is counted many times a second is appended to a list, which is one step of the interpreter, and counted
later: when the list is long, or when somebody asks.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

FOLD_AT = 1024


@dataclass(frozen=True, slots=True)
class Tally:
    """What a histogram has counted: how many values up to each bound, and above the last, and their sum."""

    counts: tuple[int, ...]
    total: float

    def __add__(self, other: Tally) -> Tally:
        """Add up what two histograms of the same bounds have counted."""
        counts = tuple(one + another for one, another in zip(self.counts, other.counts, strict=True))
        return Tally(counts, self.total + other.total)


class Histogram:
    """Counts values between bounds, a value that is equal to a bound below it."""

    __slots__ = ("_bounds", "_counts", "_fresh", "_lock", "_total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._fresh: list[float] = []
        self._lock = threading.Lock()
        self._total = 0.0

    def add(self, value: float) -> None:
        self._fresh.append(value)
        if len(self._fresh) >= FOLD_AT:
            self._fold()

    def tally(self) -> Tally:
        """Return what has been counted so far."""
        self._fold()
        with self._lock:
            return Tally(tuple(self._counts), self._total)

    def _fold(self) -> None:
        with self._lock:
            values = self._fresh[:]
            del self._fresh[: len(values)]
            for value in values:
                self._counts[bisect_left(self._bounds, value)] += 1
            self._total += sum(values)
