"""The signals that `serve` hears, from the start of the command to its end."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any, NoReturn

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Signals:
    """SIGTERM and SIGINT stop the service, SIGHUP has it check its files.

    Before the service is there (`hand_over`), a stop ends the command, and SIGHUP is remembered.
    """

    def __init__(self) -> None:
        self._stopped_by = 0
        self._is_asked = False
        self._stop: Callable[[int], object] = _leave
        self._reload: Callable[[], object] = lambda: None
        self.hear()

    def hear(self) -> None:
        """Hear the signals, also where a library has taken them over."""
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


def _leave(signum: int) -> NoReturn:
    if signum == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(0)
