"""What a service writes about itself: one line for each event, as text for people or as JSON for programs.

The reader of standard error may be slow or stop reading without holding up the service: a thread of its own writes the
lines, since a write can wait for ever, and the lines that wait for it are bounded.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote

import orjson

from engine.endpoints import client_address
from engine.handling import Incoming, request_id, trace_id
from engine.text import make_printable

logger = logging.getLogger("engine")
request_logger = logging.getLogger("engine.requests")

MOST_BYTES = 4 * 1024 * 1024
# How long a process that ends waits until its last lines are written.
FLUSH_SECONDS = 1.0
# A pipe takes so many bytes in one piece, whoever else writes into it (POSIX: at least 512; Linux: 4,096).
_PIECE = 4096 if sys.platform == "linux" else 512
_COLOURS = {"DEBUG": "2", "INFO": "32", "WARNING": "33", "ERROR": "31", "CRITICAL": "1;31"}
_SAFE = "/-._~!$&'()*+,;=:@"


@dataclass(frozen=True, slots=True)
class Logs:
    """How a service's processes log: `requests` wants a line for each request."""

    form: Literal["text", "json"] = "text"
    requests: bool = False

    def begin(self, count: Callable[[], None] = lambda: None) -> None:
        """Have this process log so, on stderr; `count` is called for each line that is dropped."""
        handler = log_handler(count)
        handler.setFormatter(JsonFormatter() if self.form == "json" else TextFormatter(coloured=sys.stderr.isatty()))
        logging.basicConfig(handlers=[handler], level=logging.INFO)


def log_step(step: str) -> None:
    """Log what a check does now, except that it reads a file, which each check does."""
    if not step.endswith(": reading"):
        logger.info("%s", step)


class JsonFormatter(logging.Formatter):
    """One JSON object on a line, with `time` in UTC (RFC 3339), `level`, `message`, `pid` and what the event has."""

    def format(self, record: logging.LogRecord) -> str:
        event: dict[str, Any] = {
            "time": _time(record).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage().encode(errors="replace").decode(),
            "pid": record.process,
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(event, default=str).decode()


class TextFormatter(logging.Formatter):
    """Time, level and message; the level in colour on a terminal."""

    def __init__(self, *, coloured: bool) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")
        self._coloured = coloured

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's own name
        """Write a traceback, each line of it set in, so that none can look like an event."""
        return "\n".join(f"  {make_printable(line)}" for line in super().formatException(ei).splitlines())

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        """Write the time as RFC 3339 has it, by this machine's clock."""
        return _time(record).astimezone().isoformat(timespec=datefmt or "milliseconds")

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        colour = _COLOURS.get(record.levelname)
        if not self._coloured or colour is None:
            return text
        return text.replace(record.levelname, f"\x1b[{colour}m{record.levelname}\x1b[0m", 1)


def log_request(incoming: Incoming, status: int, length: int, proxies: int = 0) -> None:
    """Write the line of a request that is answered; `proxies` stand in front of the service.

    Its query, its headers and its body are never in it, as there may be secrets in them.
    """
    seconds = time.perf_counter() - incoming.began
    environ, admission = incoming.environ, incoming.admission
    method = make_printable(environ["REQUEST_METHOD"])[:20]
    path = quote(environ["PATH_INFO"].encode("latin-1", "replace"), safe=_SAFE)
    fields = {
        "request_id": request_id(incoming),
        "trace_id": trace_id(incoming),
        "method": method,
        "path": path,
        "status": status,
        "bytes": length,
        "seconds": round(seconds, 6),
        "client": client_address(environ, proxies),
        "key": make_printable(admission.key) if admission is not None else "",
        "fault": "" if incoming.sending is None else " ".join(incoming.sending.kinds),
    }
    named = {name: value for name, value in fields.items() if value != ""}
    line = f"{method} {path} {status} {length} B {seconds * 1000:.2f} ms {fields['client']} {fields['request_id']}"
    line += f" key {fields['key']}" if fields["key"] else ""
    line += f" fault {fields['fault']}" if fields["fault"] else ""
    request_logger.info("%s", line, extra={"fields": named})


def _time(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


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
