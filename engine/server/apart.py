"""A check in a process of its own, within limits of time and memory: what goes wrong there harms no service."""

from __future__ import annotations

import multiprocessing
from multiprocessing.connection import Connection
from typing import Any

from engine.errors import EngineError
from engine.server.snapshot import Outcome, Progress, Source, check

SECONDS_FOR_EACH = 300.0
MEMORY_BYTES = 16 * 1024**3


class LostCheck(EngineError):
    """The process of a check has ended without a result; `killed` tells whether a signal ended it."""

    def __init__(self, why: str, *, killed: bool = False) -> None:
        self.killed = killed
        super().__init__(why)


def check_apart(source: Source, progress: Progress) -> Outcome:
    """Check a spec in another process; raise `LostCheck` where that process is lost."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, source), daemon=True)
    step = "reading the spec"
    try:
        process.start()
        theirs.close()
        while ours.poll(SECONDS_FOR_EACH):
            kind, content = ours.recv()
            if kind == "outcome":
                outcome: Outcome = content
                return outcome
            step = content
            progress(content)
        raise LostCheck(f"{step}: took more than {SECONDS_FOR_EACH:.0f} seconds")
    except (EOFError, OSError):
        process.join()
        status = process.exitcode or 0
        how = f"was killed by signal {-status}" if status < 0 else f"ended with exit status {status}"
        limit = f"it may use {MEMORY_BYTES // 1024**3} GiB of memory"
        raise LostCheck(f"{step}: the process {how}; {limit}", killed=status < 0) from None
    finally:
        process.kill()
        process.join()
        ours.close()


def _work(connection: Connection, source: Source) -> None:
    _limit_memory()

    def tell(kind: str, content: Any) -> None:
        connection.send((kind, content))

    tell("outcome", check(source, lambda text: tell("progress", text)))


def _limit_memory() -> None:
    try:
        import resource  # noqa: PLC0415 - not on every system
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MEMORY_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
