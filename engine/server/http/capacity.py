"""How many threads and connections the system lets a worker have, and the threads that answer what takes time."""

from __future__ import annotations

import contextlib
import math
import os
import resource
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from engine.isolation import control_groups

MOST_THREADS = 512
FEWEST_THREADS = 4
MOST_CONNECTIONS = 1024
FEWEST_CONNECTIONS = 16
# What a worker has beside those that answer: Granian's threads, those of numerical libraries, its own.
_OTHER_THREADS = 32
# Files, pipes and libraries that a worker opens beside its connections.
_OTHER_DESCRIPTORS = 64
ROOT = Path("/")


def most_connections() -> int:
    """Return how many connections a worker may have at once, and let it have as many open files as that takes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + _OTHER_DESCRIPTORS
    if soft not in (resource.RLIM_INFINITY, hard) and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return max(FEWEST_CONNECTIONS, min(MOST_CONNECTIONS, soft - _OTHER_DESCRIPTORS))


def most_threads(workers: int) -> int:
    """Return how many threads one of so many workers may start for answers.

    RLIMIT_NPROC (setrlimit(2)) and a control group's pids.max are shared by all processes of a user and of a group.
    """
    most = workers * (MOST_THREADS + _OTHER_THREADS)
    room = min((most, *_left_to_user(), *_left_to_groups()))
    return max(FEWEST_THREADS, min(MOST_THREADS, room // workers - _OTHER_THREADS))


def _left_to_user() -> Iterator[int]:
    """Return how many threads this user may still start, where that is limited; it is not for root."""
    try:
        limit, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    except AttributeError:  # not on every system
        return
    if limit != resource.RLIM_INFINITY and os.geteuid() != 0:
        yield limit - sum(_threads_of(os.geteuid()))


def _threads_of(user: int) -> Iterator[int]:
    """Return the number of threads of each process of a user."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended, or is hidden
            if process.stat().st_uid == user:
                yield sum(1 for _ in (process / "task").iterdir())


def usable_cores() -> int:
    """Count the processor cores that this process may use: those it may run on, or fewer by a container's quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min([cores, *_quotas()])))


def _quotas() -> Iterator[float]:
    """Return how many cores the control groups of this process may use, each that has a limit, of version 1 and 2."""
    for folder in control_groups("cpu", ROOT):
        with contextlib.suppress(OSError, ValueError):  # no such file here, or "max"
            quota, period = map(int, (folder / "cpu.max").read_text().split())
            yield quota / period
        with contextlib.suppress(OSError, ValueError):
            quota, period = (int((folder / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
            if quota > 0:
                yield quota / period


def _left_to_groups() -> Iterator[int]:
    """Return how many threads the control groups of this process may still start, each that has a limit."""
    for folder in control_groups("pids", ROOT):
        with contextlib.suppress(OSError, ValueError):  # no such folder here, or "max"
            yield int((folder / "pids.max").read_text()) - int((folder / "pids.current").read_text())


class Threads:
    """A pool of threads that makes do with its running threads if the system refuses to start another."""

    def __init__(self, most: int = MOST_THREADS) -> None:
        self._pool = ThreadPoolExecutor(most, "answer")
        self._pool.submit(int)  # so that there is one

    def run(self, job: Callable[..., Any], *arguments: Any) -> None:
        """Have a job done by a thread, as soon as one is free."""
        with contextlib.suppress(RuntimeError):  # no more can be started; the job waits for one of those there are
            self._pool.submit(job, *arguments)
