"""The process that keeps the workers: one listening socket for all of them, and another worker for each that dies."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from typing import Any

from granian.net import SocketSpec  # type: ignore[attr-defined]
from granian.server.mp import MPServer

logger = logging.getLogger("engine")

STEADY_SECONDS = 10.0
FIRST_DELAY = 0.05
LONGEST_DELAY = 1.0

Loader = Callable[[], Callable[..., Any]]


class Patience:
    """How long to wait before a worker is replaced: not at all, but longer each time that it dies young."""

    def __init__(self) -> None:
        self._delay = 0.0

    def delay(self, age: float) -> float:
        """Give the seconds to wait for a worker that has lived `age` seconds."""
        if age >= STEADY_SECONDS:
            self._delay = 0.0
        else:
            self._delay = min(LONGEST_DELAY, max(FIRST_DELAY, 2 * self._delay))
        return self._delay


class Supervisor(MPServer):
    """Granian's server with a supervisor of our own: it never gives up.

    All workers accept from one socket, which this process holds: what waits to be accepted outlives any worker.
    """

    stopped_by: int | None = None

    def signal_handler_interrupt(self, *args: Any, **kwargs: Any) -> None:
        """Remember the signal that stops the service."""
        self.stopped_by = args[0] if args else None
        super().signal_handler_interrupt(*args, **kwargs)  # type: ignore[no-untyped-call]

    def _stop_workers(self) -> None:
        super()._stop_workers()  # type: ignore[no-untyped-call]
        self.interrupt_children.clear()  # a ^C on the terminal ends them too: that is no failure

    def _init_shared_socket(self) -> None:
        self._ssp = None
        listener: Any = SocketSpec(self.bind_addr, self.bind_port, self.backlog).build()
        self._shd = listener
        self._sfd = listener.get_fd()
        self._sso = socket.socket(fileno=self._sfd)
        self._sso.set_inheritable(True)

    def _serve_loop(self, spawn_target: Callable[..., None], target_loader: Loader) -> None:
        """Replace every worker that ends by itself, until a signal stops the service."""
        due: dict[int, float] = {}
        patience = [Patience() for _ in self.wrks]
        while not self.interrupt_signal:
            self.main_loop_interrupt.wait(max(0.0, min(due.values()) - time.monotonic()) if due else None)
            self.main_loop_interrupt.clear()
            now = time.monotonic()
            while self.interrupt_children:
                index = self.interrupt_children.pop()
                worker = self.wrks[index]
                due[index] = now + patience[index].delay(now - worker.birth)
                why = _end(worker.inner.exitcode)
                logger.error("worker %d %s; another one takes its place", index + 1, why)
            for index in [index for index, when in due.items() if when <= now and not self.interrupt_signal]:
                del due[index]
                self.wrks[index] = self._spawn_worker(index, spawn_target, target_loader)
                self.wrks[index].start()  # type: ignore[no-untyped-call]


def _end(status: int | None) -> str:
    """Say how a process ended."""
    return f"was killed by signal {-status}" if status is not None and status < 0 else f"ended with status {status}"
