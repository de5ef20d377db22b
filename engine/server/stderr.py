"""Where log lines go: standard error, whose reader may be slow or stop reading without holding up the service.

A thread of its own writes them, since a write can wait for ever. The lines that wait for it are bounded.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import threading
from collections import deque
from collections.abc import Callable

MOST_BYTES = 4 * 1024 * 1024
# How long a process that ends waits until its last lines are written.
FLUSH_SECONDS = 1.0
# A pipe takes so many bytes in one piece, whoever else writes into it (POSIX: at least 512; Linux: 4,096).
_PIECE = 4096 if sys.platform == "linux" else 512


class Stderr(logging.Handler):
    """Writes lines in another thread; what its reader does not take in time is dropped, counted and reported.

    `count` is called for each line that is dropped.
    """

    def __init__(self, descriptor: int, encoding: str, count: Callable[[], None]) -> None:
        super().__init__()
        self._descriptor, self._encoding, self._count = descriptor, encoding, count
        self._lines: deque[bytes] = deque()
        self._bytes = 0  # of the lines that are not written yet, the one in work among them
        self._dropped = 0
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Have a line written, after one that says how many were dropped before it, if any were."""
        try:
            line = self._line(record)
        except Exception:  # noqa: BLE001 - whatever a message cannot be made of; logging's own way to tell
            self.handleError(record)
            return
        with self._changed:
            if self._bytes + len(line) > MOST_BYTES:
                self._drop()
                return
            if self._dropped:
                self._append(self._line(_notice(self._dropped)))
                self._dropped = 0
            self._append(line)
            self._changed.notify_all()

    def flush(self) -> None:
        """Wait until the lines are written, but not for long."""
        with self._changed:
            self._changed.wait_for(lambda: not self._bytes, FLUSH_SECONDS)

    def _line(self, record: logging.LogRecord) -> bytes:
        return f"{self.format(record)}\n".encode(self._encoding, "backslashreplace")

    def _append(self, line: bytes) -> None:
        self._lines.append(line)
        self._bytes += len(line)

    def _drop(self) -> None:
        self._dropped += 1
        self._count()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._lines))
                data = self._take()
            try:
                _write_whole(self._descriptor, data)
                is_written = True
            except OSError:  # nobody can read it any more, or a disk is full
                is_written = False
            with self._changed:
                self._bytes -= len(data)
                for _ in range(0 if is_written else data.count(b"\n")):
                    self._drop()
                self._changed.notify_all()

    def _take(self) -> bytes:
        """Take as many lines as are written in one piece, or the first one."""
        data = self._lines.popleft()
        while self._lines and len(data) + len(self._lines[0]) <= _PIECE:
            data += self._lines.popleft()
        return data


def log_handler(count: Callable[[], None]) -> logging.Handler:
    """Return a handler that writes to `sys.stderr`: `logging`'s own if that is a stand-in without a descriptor.

    `count` is called for each line that is dropped.
    """
    with contextlib.suppress(AttributeError, io.UnsupportedOperation):
        return Stderr(sys.stderr.fileno(), sys.stderr.encoding, count)
    return logging.StreamHandler()


def _notice(count: int) -> logging.LogRecord:
    message = f"{count} log lines were dropped because they could not be written in time"
    return logging.LogRecord("engine", logging.WARNING, __file__, 0, message, None, None)


def _write_whole(descriptor: int, data: bytes) -> None:
    """Write all of it: a file takes it in one piece, and so do a pipe and a terminal if it is short."""
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
