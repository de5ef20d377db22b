"""How much a client's bytes may cost: processor time, in proportion to their number, and violations."""

from __future__ import annotations

from time import thread_time

MAX_COUNTED = 1000
SECONDS = 0.007
SUGGESTING_SECONDS = 0.002  # must be left for a suggestion, which may take as long
JUDGING_PER_BYTE = 0.7e-6
EXPLAINING_PER_BYTE = 0.4e-6  # if the library has validated the whole value before


class Exhausted(Exception):
    """A budget is used up; `at` is the path to the value that was being checked."""

    def __init__(self, at: tuple[str | int, ...]) -> None:
        self.at = at
        super().__init__("the budget is spent")


class Budget:
    """The budget for a number of bytes. Only this thread's own time counts, so a busy machine makes no difference."""

    def __init__(self, size: int, per_byte: float = EXPLAINING_PER_BYTE) -> None:
        self._end = thread_time() + SECONDS + per_byte * size
        self.counted = 0
        self.at: tuple[str | int, ...] | None = None

    @property
    def is_spent(self) -> bool:
        """Return whether a walk has ended early, at `at`."""
        return self.at is not None

    def left(self) -> float:
        return self._end - thread_time()

    def allows_suggestion(self) -> bool:
        """Return whether enough is left to search for a suggestion."""
        return self.left() > SUGGESTING_SECONDS

    def take(self, at: tuple[str | int, ...], seconds: float = 0.0) -> None:
        """Take some seconds from the budget; raise `Exhausted` if they are not left."""
        if self.is_spent or seconds >= self.left():
            raise Exhausted(at)

    def count(self, at: tuple[str | int, ...]) -> None:
        """Count a violation; raise `Exhausted` if that is one too many."""
        if self.counted >= MAX_COUNTED:
            raise Exhausted(at)
        self.counted += 1
