"""Blocks scored side by side, in processes that take a compiled snapshot as the workers of a service do.

This process is one of them where that needs no scikit-learn: it begins while the others still start.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from itertools import chain, islice
from types import TracebackType
from typing import Self

from threadpoolctl import threadpool_limits

from engine.batch.formats.parsed import Block
from engine.batch.running.work import Done, Job, Work
from engine.batch.scoring_errors import BatchError
from engine.isolation import OOM_SCORE, end_with_parent, take_blame

_AHEAD = 1  # blocks for each process, beside the one that it is at
_MOST_DONE = 16  # blocks that wait for an earlier one
_FEW_BLOCKS = 2
_LOOK_SECONDS = 0.05
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Pool:
    """Processes that score blocks, this one among them if `is_compiled`, which starts no other for a few blocks."""

    def __init__(self, payload: bytes, processes: int, *, is_compiled: bool) -> None:
        """Start nothing yet."""
        self._payload = payload
        self._is_compiled = is_compiled
        self._others = processes - is_compiled
        self._here: Work | None = None
        self._starter = ThreadPoolExecutor(1, "start")  # which lives as long as they do: they end with their parent
        self._started: Future[ProcessPoolExecutor] | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(_one_thread_each())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._started is not None:
            _end(self._started, at_once=error is not None)
        self._starter.shutdown()
        self._stack.close()

    def run(self, job: Job, blocks: Iterator[Block]) -> Iterator[Done]:
        """Score blocks; give what becomes of them in their order."""
        first = list(islice(blocks, _FEW_BLOCKS))
        if not self._others or (self._is_compiled and self._started is None and len(first) < _FEW_BLOCKS):
            for block in chain(first, blocks):
                yield self._score_here(job, block)
            return
        try:
            yield from self._side_by_side(job, chain(first, blocks))
        except BrokenProcessPool:
            raise BatchError("a worker process was killed, perhaps for lack of memory; try fewer with --jobs") from None

    def _side_by_side(self, job: Job, blocks: Iterator[Block]) -> Iterator[Done]:
        self._started = started = self._started or self._starter.submit(self._start)
        waiting: deque[Future[Done]] = deque()
        for block in blocks:
            unfinished = sum(not one.done() for one in waiting)
            if self._is_compiled and (not started.done() or unfinished >= self._others * (1 + _AHEAD)):
                waiting.append(_finished(self._score_here(job, block)))
            else:
                waiting.append(started.result().submit(_score, job, block))
            while waiting and (waiting[0].done() or self._is_full(waiting)):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _is_full(self, waiting: deque[Future[Done]]) -> bool:
        most = self._others * (1 + _AHEAD)
        return len(waiting) > most + _MOST_DONE if self._is_compiled else len(waiting) >= most

    def _score_here(self, job: Job, block: Block) -> Done:
        self._here = self._here or Work(self._payload)
        return self._here(job, block)

    def _start(self) -> ProcessPoolExecutor:
        """Start the other processes, which takes as long as they need to read the model."""
        context = multiprocessing.get_context("spawn")
        executor = ProcessPoolExecutor(self._others, context, _begin, (self._payload,))
        executor.submit(_answer).result()
        return executor


def _end(started: Future[ProcessPoolExecutor], *, at_once: bool) -> None:
    """End the other processes, those that still start `at_once`: nobody waits for what they do."""
    while at_once or not started.done():
        for child in multiprocessing.active_children():
            child.kill()
        if wait([started], _LOOK_SECONDS).done:
            break
    if started.exception() is None:
        started.result().shutdown(wait=True, cancel_futures=True)


def _finished(done: Done) -> Future[Done]:
    future: Future[Done] = Future()
    future.set_result(done)
    return future


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Have the libraries of this process, and of those that are started meanwhile, compute on one core."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update({name: value or "1" for name, value in before.items()})
    try:
        with threadpool_limits(1, "blas"):
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


def _answer() -> None:
    """Tell that a process has started."""


def _score(job: Job, block: Block) -> Done:
    if _work is None:
        raise RuntimeError("this process has no model")
    return _work(job, block)
