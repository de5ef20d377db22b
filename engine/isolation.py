"""Work in a process of its own, within limits of time and memory: whatever a model's file does there ends with it."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import re
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Self, TypeVar

from engine.errors import EngineError
from engine.text import plural

SECONDS, MEMORY = "ENGINE_CHECK_SECONDS", "ENGINE_CHECK_MEMORY"
DEFAULT_SECONDS = 300.0
MOST_MEMORY = 16 * 1024**3
# Of a small machine, a share; but libraries reserve some hundred MiB which they never touch.
SHARE_OF_MEMORY, LEAST_MEMORY = 0.8, 1024**3
_UNITS = {"MiB": 1024**2, "GiB": 1024**3}
_END_WITH_PARENT = 1  # PR_SET_PDEATHSIG of linux/prctl.h

# What a process of this kind counts as beyond its memory, in thousandths of the machine's, where memory runs out: that
# a change cannot be checked harms nobody who is served.
OOM_SCORE, MOST_OOM_SCORE = 300, 1000

_STEP_SECONDS = 0.25

Result = TypeVar("Result")
Tell = Callable[[Any], None]


class Step(str):
    """A text that says what is being done, and to what: `subject` is the name of a model, or empty."""

    __slots__ = ("doing", "subject")

    doing: str
    subject: str

    def __new__(cls, doing: str, subject: str = "") -> Self:
        step = super().__new__(cls, f"{subject}: {doing}" if subject else doing)
        step.doing, step.subject = doing, subject
        return step

    def __reduce__(self) -> tuple[type[Self], tuple[str, str]]:
        return type(self), (self.doing, self.subject)


Progress = Callable[[Step], None]


class LostProcess(EngineError):
    """The process has ended without a result, in a `step` of its work.

    `killed` tells whether that may be no fault of what it worked on.
    """

    def __init__(self, step: Step, why: str, *, killed: bool = False) -> None:
        self.step = step
        self.why = why
        self.killed = killed
        super().__init__(f"{step}: {why}")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long each step may take, and how many bytes of memory the process may use."""

    seconds: float
    memory: int

    @property
    def shown_memory(self) -> str:
        unit = "GiB" if self.memory >= _UNITS["GiB"] else "MiB"
        return f"{self.memory / _UNITS[unit]:.4g} {unit}"


def read_bounds() -> Bounds:
    """Take the bounds from the environment, else from this machine; raise `EngineError` for values that are none."""
    seconds, memory = os.environ.get(SECONDS), os.environ.get(MEMORY)
    if seconds is not None and not re.fullmatch(r"[1-9][0-9]{0,8}", seconds):
        raise EngineError(f'{SECONDS} is "{seconds}"; it is a whole number of seconds, such as 600')
    size = re.fullmatch(r"([1-9][0-9]{0,8}) ?(MiB|GiB)", memory) if memory is not None else None
    if memory is not None and size is None:
        raise EngineError(f'{MEMORY} is "{memory}"; it is a size in MiB or GiB, such as 4 GiB')
    share = int(max(LEAST_MEMORY, SHARE_OF_MEMORY * machine_memory()))
    stated = int(size[1]) * _UNITS[size[2]] if size else min(MOST_MEMORY, share)
    return Bounds(float(seconds or DEFAULT_SECONDS), stated)


def machine_memory(root: Path = Path("/")) -> float:
    """Return the bytes of memory of this machine, or of the container around this process where that has fewer."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else float("inf")
    return min([machine, *_memory_limits(root)])


def _memory_limits(root: Path) -> Iterator[int]:
    """Return the limits of the control groups around this process, of version 1 and 2."""
    for folder in control_groups("memory", root):
        for name in ("memory.max", "memory.limit_in_bytes"):
            with contextlib.suppress(OSError, ValueError):  # it is "max", or there is none
                yield int((folder / name).read_text())


def control_groups(controller: str, root: Path = Path("/")) -> Iterator[Path]:
    """Return the folders of the control groups around this process that a controller may limit."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if not controllers or controller in controllers.split(","):
            home = root / "sys/fs/cgroup" / controllers
            group = home / name.strip("/")
            yield from (folder for folder in (group, *group.parents) if folder.is_relative_to(home))


def run_isolated(work: Callable[..., Result], *arguments: Any, hear: Tell) -> Result:
    """Return `work(*arguments, tell)`, done in another process; raise its `EngineError`, or `LostProcess`.

    `hear` is called with everything that the other process tells; each `Step` begins the next step.
    """
    limits, step = read_bounds(), Step("starting")
    patience = DEFAULT_SECONDS  # nothing but the engine is at work before the first step
    context = multiprocessing.get_context("spawn")
    try:
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, limits.memory, work, arguments), daemon=True)
        with block_signals(signal.SIGINT, signal.SIGHUP):  # ^C is for this process, which ends that one
            process.start()
    except OSError as error:
        raise LostProcess(step, f"no process can be started: {error}", killed=True) from None
    theirs.close()
    try:
        while wait_for_message(ours, patience):
            kind, content = ours.recv()
            if kind == "returned":
                result: Result = content
                return result
            if kind == "raised":
                raise content
            if kind == "failed":
                no_memory = f"it needs more than {limits.shown_memory} of memory; {MEMORY} allows more"
                raise LostProcess(step, content or no_memory)
            step, patience = content if isinstance(content, Step) else step, limits.seconds
            hear(content)
        raise LostProcess(step, f"it took more than {plural(int(limits.seconds), 'second')}; {SECONDS} allows more")
    except (EOFError, ConnectionError):
        process.join()
        raise _ended(process, step, limits) from None
    finally:
        process.kill()
        process.join()
        ours.close()


@contextlib.contextmanager
def block_signals(*signals: signal.Signals) -> Iterator[None]:
    """Have a process that is started meanwhile not hear these, which a terminal or systemd sends to all processes."""
    resource_tracker.ensure_running()  # if it were started by that process, it would unblock them
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def wait_for_message(connection: Connection, seconds: float) -> bool:
    """Wait until something can be received, and hear signals meanwhile; False if there is nothing in time.

    The kernel may give a signal to another thread, which does not end a wait of the main thread. So it waits in steps,
    between which Python runs the signal's handler.
    """
    deadline = time.monotonic() + seconds
    while not (found := connection.poll(_STEP_SECONDS)) and time.monotonic() < deadline:
        pass
    return found


def _ended(process: BaseProcess, step: Step, limits: Bounds) -> LostProcess:
    """Say how a process has ended that has said nothing."""
    status = process.exitcode or 0
    if status >= 0:
        return LostProcess(step, f"its process ended with exit status {status}")
    # What the kernel ends for lack of memory gets SIGKILL.
    hint = f"; its memory is limited to {limits.shown_memory}" if -status == signal.SIGKILL else ""
    return LostProcess(step, f"its process {killed_by(-status)}{hint}", killed=True)


def killed_by(number: int) -> str:
    """Say by which signal a process was killed."""
    named = f" ({signal.Signals(number).name})" if number in {*signal.Signals} else ""
    return f"was killed by signal {number}{named}"


def _work(connection: Connection, memory: int, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C is sent to all; the process that waits for this one ends it
    end_with_parent()
    take_blame(OOM_SCORE)
    _limit_memory(memory)
    try:
        message = ("returned", work(*arguments, lambda content: connection.send(("told", content))))
    except EngineError as error:
        message = ("raised", error)
    except MemoryError:
        message = ("failed", "")
    except Exception as error:  # noqa: BLE001 - it is told where it can be seen, and ends this process
        traceback.print_exc()
        message = ("failed", f"{type(error).__name__}: {error}")
    connection.send(message)


def end_with_parent() -> None:
    """Have the system kill this process when the thread that has started it is gone, where the system can.

    If the parent is gone already, which is not signalled, the process ends now.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_END_WITH_PARENT, signal.SIGKILL)
    parent = multiprocessing.parent_process()
    if parent is not None and os.getppid() != parent.pid:
        os.kill(os.getpid(), signal.SIGKILL)


def take_blame(score: int) -> None:
    """Have the kernel end this process before others if memory runs out (proc_pid_oom_score_adj(5))."""
    with contextlib.suppress(OSError, ValueError):  # not Linux, or the service itself has such a score already
        file = Path("/proc/self/oom_score_adj")
        file.write_text(str(min(MOST_OOM_SCORE, int(file.read_text()) + score)))


def _limit_memory(memory: int) -> None:
    try:
        import resource  # noqa: PLC0415 - not on every system
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (memory if hard == resource.RLIM_INFINITY else min(memory, hard), hard))
