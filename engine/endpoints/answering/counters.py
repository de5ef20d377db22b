"""Counts by key, for sequences: in one process, or kept by the supervisor for all workers.

A counter returns how often its key was seen before, and counts it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b

MOST_KEYS = 10_000
# A longer key is kept as its digest.
_LONGEST = 32
# What keys that were forgotten are counted as.
FORGOTTEN = "sequence_keys_forgotten"

Counter = Callable[[bytes], int]
Counters = Callable[[str], Counter]
"""Returns the counter of a name; the counts of one generation of a spec are not those of the next."""


class KeyCounts:
    """How often each key was seen, of those that were seen last; another one begins again."""

    def __init__(self, forget: Callable[[], None], most: int = MOST_KEYS) -> None:
        self._counts: OrderedDict[bytes, int] = OrderedDict()
        self._forget, self._most = forget, most
        self._lock = threading.Lock()

    def next(self, key: bytes) -> int:
        """Return how often a key was seen before, and count it."""
        key = key if len(key) <= _LONGEST else blake2b(key, digest_size=_LONGEST).digest() + b"."
        with self._lock:
            count = self._counts.pop(key, 0)
            self._counts[key] = count + 1
            is_full = len(self._counts) > self._most
            if is_full:
                self._counts.popitem(last=False)
        if is_full:
            self._forget()
        return count


def own_counters(forget: Callable[[], None]) -> Counters:
    """Count in this process alone; `forget` is called for each key that is forgotten."""
    return lambda _: KeyCounts(forget).next


class SharedCounts:
    """The counts of all workers of a service, by generation and name; any thread may use them."""

    def __init__(self) -> None:
        self._counts: dict[tuple[int, str], KeyCounts] = {}
        self._forgotten = 0
        self._lock = threading.Lock()

    def answer(self, ticket: int, generation: int, name: str, key: bytes) -> tuple[int, int]:
        """Count a key under a name of a generation; return the ticket, and how often the key was seen before."""
        with self._lock:
            counts = self._counts.setdefault((generation, name), KeyCounts(self._forget))
        return ticket, counts.next(key)

    def keep(self, oldest: int) -> None:
        """Drop the counts of generations older than this one."""
        with self._lock:
            self._counts = {known: counts for known, counts in self._counts.items() if known[0] >= oldest}

    def take_forgotten(self) -> int:
        """Return how many keys were forgotten since this was asked last."""
        with self._lock:
            count, self._forgotten = self._forgotten, 0
        return count

    def _forget(self) -> None:
        with self._lock:
            self._forgotten += 1
