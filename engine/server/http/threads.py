"""The threads that answer what takes time, started on demand."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from engine.server.http.capacity import MOST_THREADS


class Threads:
    """A pool of threads that goes on with those it has where the system lets it start no more."""

    def __init__(self, most: int = MOST_THREADS) -> None:
        self._pool = ThreadPoolExecutor(most, "answer")
        self._pool.submit(int)  # so that there is one

    def run(self, job: Callable[..., Any], *arguments: Any) -> None:
        """Have a job done by a thread, as soon as one is free."""
        with contextlib.suppress(RuntimeError):  # no more can be started; the job waits for one of those there are
            self._pool.submit(job, *arguments)
