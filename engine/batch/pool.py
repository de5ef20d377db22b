"""Blocks scored side by side, in processes that take a compiled snapshot as the workers of a service do."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from itertools import chain, islice
from types import TracebackType
from typing import Self

from engine.apart import OOM_SCORE, end_with_parent, take_blame
from engine.batch.errors import BatchError
from engine.batch.formats.parsed import Block
from engine.batch.work import Done, Job, Work

_AHEAD = 2  # blocks for each process, beside the one that it is at
_FEW_BLOCKS = 2
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Pool:
    """Processes that score blocks; a few blocks are scored in this process if that imports no scikit-learn."""

    def __init__(self, payload: bytes, processes: int, *, is_compiled: bool) -> None:
        """Start nothing yet."""
        self._payload = payload
        self._processes = processes
        self._is_compiled = is_compiled
        self._executor: ProcessPoolExecutor | None = None
        self._here: Work | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(_one_thread_each())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        if self._executor is None:
            return
        if error is not None:  # a block may take long, and nobody waits for it
            for child in multiprocessing.active_children():
                child.kill()
        self._executor.shutdown(wait=True, cancel_futures=True)

    def run(self, job: Job, blocks: Iterator[Block]) -> Iterator[Done]:
        """Score blocks; give what becomes of them in their order."""
        first = list(islice(blocks, _FEW_BLOCKS))
        if self._executor is None and self._is_compiled and (len(first) < _FEW_BLOCKS or self._processes == 1):
            self._here = self._here or Work(self._payload)
            for block in chain(first, blocks):
                yield self._here(job, block)
            return
        try:
            yield from self._side_by_side(job, chain(first, blocks))
        except BrokenProcessPool:
            raise BatchError("a worker process was killed, perhaps for lack of memory; try fewer with --jobs") from None

    def _side_by_side(self, job: Job, blocks: Iterator[Block]) -> Iterator[Done]:
        waiting: deque[Future[Done]] = deque()
        for block in blocks:
            waiting.append(self._started().submit(_score, job, block))
            if len(waiting) > self._processes * (1 + _AHEAD):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _started(self) -> ProcessPoolExecutor:
        if self._executor is None:
            context = multiprocessing.get_context("spawn")
            self._executor = ProcessPoolExecutor(self._processes, context, _begin, (self._payload,))
            self._payload = b""
        return self._executor


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Have the libraries of processes that are started meanwhile compute on one core."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update({name: value or "1" for name, value in before.items()})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]


_work: Work | None = None


def _begin(payload: bytes) -> None:
    global _work  # noqa: PLW0603 - a process of the pool has one
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    take_blame(OOM_SCORE)
    _work = Work(payload)


def _score(job: Job, block: Block) -> Done:
    if _work is None:
        raise RuntimeError("this process has no model")
    return _work(job, block)
