"""The models that this process has restored of snapshots: each once, whoever asks, and only the last few."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from engine.batch.running.work import Work

_MOST = 8


class _Restored:
    """The model of a snapshot, for one caller at a time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.work: Work | None = None


_known: OrderedDict[tuple[int, str], _Restored] = OrderedDict()
_looking = threading.Lock()


@contextmanager
def restored_work(digest: str, payload: bytes) -> Iterator[Work]:
    """Return what scores rows with the model of a snapshot, which is restored if this process has not done so."""
    with _looking:
        # A process that was forked restores it again: the threads of some runtimes are not in it.
        one = _known.setdefault((os.getpid(), digest), _Restored())
        _known.move_to_end((os.getpid(), digest))
        while len(_known) > _MOST:
            _known.popitem(last=False)
    with one.lock:
        one.work = one.work or Work(payload)
        yield one.work
