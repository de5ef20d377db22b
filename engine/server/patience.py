"""How long to wait before doing again what may go wrong again."""

from __future__ import annotations

STEADY_SECONDS = 10.0
FIRST_DELAY = 0.05
LONGEST_DELAY = 1.0


class Patience:
    """The delay before a process is replaced: none at first, then doubled each time the last one was short-lived."""

    def __init__(self, longest: float = LONGEST_DELAY, *, first: float = FIRST_DELAY) -> None:
        self._longest = longest
        self._first = first
        self._delay = 0.0

    def delay(self, age: float) -> float:
        """Return the seconds to wait after a process that lived `age` seconds."""
        if age >= STEADY_SECONDS + self._delay:
            self._delay = 0.0
        else:
            self._delay = min(self._longest, max(self._first, 2 * self._delay))
        return self._delay
