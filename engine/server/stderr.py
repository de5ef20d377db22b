"""Where log lines go: standard error, whose reader may stop reading without stopping the service."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import select
import socket
import stat
import sys
import time
from collections.abc import Callable

# How long the first line waits for a reader that has stopped; those after it do not wait.
PATIENCE_SECONDS = 0.1


class Stderr(logging.Handler):
    """Writes lines without waiting for whoever reads them; what is not taken is dropped, counted and told.

    `count` is called for each line that is dropped.
    """

    def __init__(self, descriptor: int, encoding: str = "utf-8") -> None:
        super().__init__()
        self._descriptor, self._encoding = descriptor, encoding
        self._send, self._close = _open(descriptor)
        self._dropped = 0
        self._is_within_a_line = False
        self.count: Callable[[], None] = lambda: None

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, after one that says how many were dropped before it, if any were."""
        try:
            lines = self.format(record)
            if self._dropped:
                lines = f"{self.format(_notice(self._dropped))}\n{lines}"
        except Exception:  # noqa: BLE001 - whatever a message cannot be made of; logging's own way to tell
            self.handleError(record)
            return
        data = f"{lines}\n".encode(self._encoding, "backslashreplace")
        if self._write(b"\n" + data if self._is_within_a_line else data, 0.0 if self._dropped else PATIENCE_SECONDS):
            self._dropped = 0
        else:
            self._dropped += 1
            self.count()

    def close(self) -> None:
        """Write no more; the descriptor itself stays open."""
        super().close()
        self._close()

    def _write(self, data: bytes, patience: float) -> bool:
        """Write all of it, or as much as is taken in time; tell whether it was all."""
        deadline = time.monotonic() + patience
        left = memoryview(data)
        while left:
            try:
                sent = self._send(left[: select.PIPE_BUF])
            except BlockingIOError:
                seconds = deadline - time.monotonic()
                if seconds <= 0 or not _is_writable(self._descriptor, seconds):
                    return False
                continue
            except OSError:  # nobody can read it any more
                return False
            left = left[sent:]
            self._is_within_a_line = bool(left)
        return True


def log_handler() -> logging.Handler:
    """Give what writes to `sys.stderr`: `logging`'s own for a stand-in, or where there is no poll(2)."""
    try:
        descriptor = sys.stderr.fileno()
    except (AttributeError, io.UnsupportedOperation):
        return logging.StreamHandler()
    return Stderr(descriptor, sys.stderr.encoding) if hasattr(select, "poll") else logging.StreamHandler()


def _notice(count: int) -> logging.LogRecord:
    message = f"{count} log lines were dropped, as nobody was reading them"
    return logging.LogRecord("engine", logging.WARNING, __file__, 0, message, None, None)


def _open(descriptor: int) -> tuple[Callable[[memoryview], int], Callable[[], None]]:
    """Give what writes bytes without waiting, and what closes it.

    The flag O_NONBLOCK belongs to an open file, which others may share: a shell, or all workers. So a pipe or a
    terminal is opened a second time, and a socket told for each call. Where that is not possible, poll(2) is asked,
    which may be wrong where others write as well.
    """
    kind = os.fstat(descriptor).st_mode
    if stat.S_ISSOCK(kind):
        connection = socket.socket(fileno=os.dup(descriptor))
        return lambda data: connection.send(data, socket.MSG_DONTWAIT), connection.close
    if stat.S_ISFIFO(kind) or os.isatty(descriptor):
        with contextlib.suppress(OSError):  # it is another user's, or this is not Linux
            own = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
            return lambda data: os.write(own, data), lambda: os.close(own)

    def write(data: memoryview) -> int:
        if not _is_writable(descriptor, 0.0):
            raise BlockingIOError
        return os.write(descriptor, data)

    return write, lambda: None


def _is_writable(descriptor: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(seconds * 1000))
