"""The signals that `serve` hears, from the start of the command to its end."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from typing import Any, NoReturn

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

_STEP_SECONDS = 0.25


class Signals:
    """SIGTERM and SIGINT stop the service, SIGHUP has it check its files.

    Before the service is there (`hand_over`), a stop ends the command, and SIGHUP is remembered.
    """

    def __init__(self) -> None:
        self._stopped_by = 0
        self._is_asked = False
        self._stop: Callable[[int], object] = _leave
        self._reload: Callable[[], object] = lambda: None
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self._on_stop)
        signal.signal(signal.SIGHUP, self._on_hang_up)

    def hand_over(self, stop: Callable[[int], object], reload: Callable[[], object]) -> None:
        """Have these called from now on, and at once for a signal that came before."""
        self._stop, self._reload = stop, reload
        if self._stopped_by:  # and somebody caught the exception that it raised
            stop(self._stopped_by)
        if self._is_asked:
            reload()

    def _on_stop(self, signum: int, _frame: Any) -> None:
        self._stopped_by = signum
        self._stop(signum)

    def _on_hang_up(self, *_: Any) -> None:
        self._is_asked = True
        self._reload()


@contextmanager
def blocked(*signals: signal.Signals) -> Iterator[None]:
    """Have a process that is started meanwhile not hear these, which a terminal or systemd sends to all processes."""
    resource_tracker.ensure_running()  # if it were started by that process, it would unblock them
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def poll(connection: Connection, seconds: float) -> bool:
    """Wait until something can be received, and hear signals meanwhile; False if there is nothing in time.

    The kernel may give a signal to another thread, which does not end a wait of the main thread. So it waits in steps,
    between which Python runs the signal's handler.
    """
    deadline = time.monotonic() + seconds
    while not (found := connection.poll(_STEP_SECONDS)) and time.monotonic() < deadline:
        pass
    return found


def _leave(signum: int) -> NoReturn:
    if signum == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(0)
