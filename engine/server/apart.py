"""A check in a process of its own, within limits of time and memory: what goes wrong there harms no service."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from engine.errors import EngineError
from engine.server.signals import blocked, poll
from engine.server.snapshot import Outcome, Progress, Source, Stamp, check

SECONDS_FOR_EACH = 300.0
MEMORY_BYTES = 16 * 1024**3


class LostCheck(EngineError):
    """The process of a check has ended without a result; `killed` tells whether that may be no fault of the spec.

    `stamps` are of the files that it was about to read, as far as it had told.
    """

    def __init__(self, why: str, stamps: Mapping[Path, Stamp], *, killed: bool = False) -> None:
        self.stamps = stamps
        self.killed = killed
        super().__init__(why)


def check_apart(source: Source, progress: Progress) -> Outcome:
    """Check a spec in another process; raise `LostCheck` where that process is lost."""
    context = multiprocessing.get_context("spawn")
    step, stamps = "reading the spec", dict[Path, Stamp]()
    try:
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, source), daemon=True)
        with blocked(signal.SIGINT, signal.SIGHUP):  # ^C is for this process, which ends that one
            process.start()
    except OSError as error:
        raise LostCheck(f"{step}: the process cannot be started: {error}", stamps, killed=True) from None
    theirs.close()
    try:
        while poll(ours, SECONDS_FOR_EACH):
            kind, content = ours.recv()
            if kind == "outcome":
                outcome: Outcome = content
                return outcome
            if kind == "stamps":
                stamps = content
            else:
                step = content
                progress(content)
        raise LostCheck(f"{step}: took more than {SECONDS_FOR_EACH:.0f} seconds", stamps)
    except (EOFError, OSError):
        process.join()
        status = process.exitcode
        killed = status is None or status < 0
        how = f"was killed by signal {-(status or 0)}" if killed else f"ended with exit status {status}"
        limit = f"it may use {MEMORY_BYTES // 1024**3} GiB of memory"
        raise LostCheck(f"{step}: the process {how}; {limit}", stamps, killed=killed) from None
    finally:
        process.kill()
        process.join()
        ours.close()


def _work(connection: Connection, source: Source) -> None:
    _limit_memory()

    def tell(kind: str, content: Any) -> None:
        connection.send((kind, content))

    tell("outcome", check(source, lambda text: tell("progress", text), lambda stamps: tell("stamps", stamps)))


def _limit_memory() -> None:
    try:
        import resource  # noqa: PLC0415 - not on every system
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MEMORY_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
