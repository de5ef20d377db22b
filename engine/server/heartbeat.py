"""The heartbeat of the workers: they say that they are alive, and the supervisor finds those that no longer do.

A worker says so from a thread of its own that needs the interpreter's lock. So a process that is stopped is silent, and
so is one in which code holds that lock. But silence alone proves little: on a busy machine a healthy worker may get no
turn for many seconds. What counts is the time in which a silent worker could have spoken:

- the CPU time that a single thread has used since the last beat. Threads that share the lock take turns, so only one
  that does not release it gets far;
- the steps of the supervisor at which no thread was waiting for a processor or a disk, as when all are stopped.

Time in which the supervisor itself did not run counts for nothing.
"""

from __future__ import annotations

import math
import os
import select
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from engine.server.patience import Patience

BEAT_SECONDS = 0.25
HANG_SECONDS = 5.0
# From here on a silent worker gets no new connections, until it speaks again.
SILENT_SECONDS = 1.0
# How long a worker may be silent while it loads a generation, as long as a check may take for each of its steps.
LOADING_SECONDS = 300.0
# The supervisor did not run, if one of its steps comes this late.
PAUSE_SECONDS = 2.0
# How long one hung worker after another waits to be killed, and for the successor of the last one to serve.
FIRST_DELAY = 1.0
LONGEST_DELAY = 10.0
SUCCESSOR_SECONDS = 30.0

# Runnable, waiting for a disk, or held by a debugger (proc_pid_stat(5)).
_HELD_UP = frozenset("RDt")
_STATE, _USER, _SYSTEM = 0, 11, 12  # fields of a stat file after the command's name


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread: the seconds of CPU it has used, and whether the machine is what keeps it from going on."""

    seconds: float
    is_held_up: bool


def read_threads(pid: int) -> Mapping[str, Thread]:
    """Return the threads of a process by their ids; none where there is no such process, or the system is not Linux."""
    found = {}
    with suppress(OSError):
        for folder in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):  # the thread has just ended
                found[folder.name] = _read((folder / "stat").read_text())
    return found


def _read(stat: str) -> Thread:
    fields = stat.rpartition(")")[2].split()
    ticks = int(fields[_USER]) + int(fields[_SYSTEM])
    return Thread(ticks / os.sysconf("SC_CLK_TCK"), fields[_STATE] in _HELD_UP)


def send_heartbeat(channel: Connection, say: Callable[[str], None]) -> None:
    """Say that this process is alive, until nobody listens; not while nobody reads, so that the pipe does not fill."""
    ready = select.poll()
    ready.register(channel.fileno(), select.POLLOUT)
    while True:
        if ready.poll(0):
            try:
                say("alive")
            except OSError:
                return
        time.sleep(BEAT_SECONDS)


class Pulse:
    """The signs of life of one worker. One thread may call `hear` while another calls the rest."""

    def __init__(self, pid: int, threads: Callable[[int], Mapping[str, Thread]] = read_threads) -> None:
        self._pid = pid
        self._threads = threads
        self._is_loading = True
        self._heard = self._counted = 0
        self.begin_anew()

    def hear(self, word: str) -> None:
        """Note a message from the worker, and what it says about loading."""
        if word == "loads":
            self._is_loading = True
        elif word in {"serves", "failed"}:
            self._is_loading = False
        self._heard += 1

    def begin_anew(self) -> None:
        """Forget the silence so far."""
        self._missed = 0
        self._before: Mapping[str, Thread] = {}
        self._waited = self._computed = 0.0

    def count(self) -> None:
        """Count one step of the supervisor: either the worker has spoken since the last one, or it could have."""
        if self._heard != self._counted:
            self._counted = self._heard
            self.begin_anew()
            return
        self._missed += 1
        threads = self._threads(self._pid)
        self._before = self._before or threads
        if not any(thread.is_held_up for thread in threads.values()):
            self._waited += BEAT_SECONDS
        before = {name: thread.seconds for name, thread in self._before.items()}
        used = (thread.seconds - before.get(name, 0.0) for name, thread in threads.items())
        self._computed = max(used, default=0.0)

    @property
    def is_silent(self) -> bool:
        """Tell whether a few beats in a row are missing, whatever the reason."""
        return self._missed * BEAT_SECONDS >= SILENT_SECONDS

    def is_hung(self, limit: float) -> bool:
        """Tell whether the worker could have spoken for `limit` seconds and has not."""
        longest = max(limit, LOADING_SECONDS) if self._is_loading else limit
        return self._waited + self._computed >= longest


class Monitor:
    """Takes the pulse of all workers, step by step, and names the one to kill."""

    def __init__(self, limit: float) -> None:
        self._limit = limit or math.inf
        self.due = time.monotonic() + BEAT_SECONDS
        self._patience = Patience(LONGEST_DELAY, first=FIRST_DELAY)
        self._last_kill = -math.inf
        self._next_kill = 0.0

    def step(self, pulses: Collection[Pulse]) -> None:
        """Count a step for all, or begin anew if this process itself was stopped meanwhile."""
        now = time.monotonic()
        was_paused = now - self.due > PAUSE_SECONDS
        self.due = now + BEAT_SECONDS
        for pulse in pulses:
            if was_paused:
                pulse.begin_anew()
            else:
                pulse.count()

    def choose(self, pulses: Mapping[int, Pulse], *, is_complete: bool) -> int | None:
        """Return the number of a hung worker to be killed now, if any.

        They are killed one at a time, each after a longer delay, and not before the last one's successor serves:
        `is_complete` tells that nobody is missing. A successor that takes too long is not waited for.
        """
        now = time.monotonic()
        may_kill = now >= self._next_kill and (is_complete or now - self._last_kill >= SUCCESSOR_SECONDS)
        hung = next((number for number, pulse in pulses.items() if pulse.is_hung(self._limit)), None)
        if hung is None or not may_kill:
            return None
        self._next_kill = now + self._patience.delay(now - self._last_kill)
        self._last_kill = now
        return hung
