"""What the system tells about the threads of another process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

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
