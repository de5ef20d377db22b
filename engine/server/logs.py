"""What a service writes about itself: one line for each event, as text for people or as JSON for programs."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote

import orjson

from engine.endpoints import client_address
from engine.handling import Incoming, request_id, trace_id
from engine.server.stderr import log_handler
from engine.text import printable

logger = logging.getLogger("engine")

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
        return "\n".join(f"  {printable(line)}" for line in super().formatException(ei).splitlines())

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        """Write the time as RFC 3339 has it, by this machine's clock."""
        return _time(record).astimezone().isoformat(timespec=datefmt or "milliseconds")

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        colour = _COLOURS.get(record.levelname)
        if not self._coloured or colour is None:
            return text
        return text.replace(record.levelname, f"\x1b[{colour}m{record.levelname}\x1b[0m", 1)


class RequestLog:
    """Writes a line for each request: never its query, its headers or its body, in which there may be secrets."""

    def __init__(self) -> None:
        self._logger = logging.getLogger("engine.requests")

    def write(self, incoming: Incoming, status: int, length: int, proxies: int = 0) -> None:
        """Write the line of a request that is answered; `proxies` stand in front of the service."""
        seconds = time.perf_counter() - incoming.began
        environ, admission = incoming.environ, incoming.admission
        method = printable(environ["REQUEST_METHOD"])[:20]
        path = quote(environ["PATH_INFO"].encode("latin-1", "replace"), safe=_SAFE)
        fields = {
            "request_id": request_id(incoming),
            "trace_id": trace_id(environ),
            "method": method,
            "path": path,
            "status": status,
            "bytes": length,
            "seconds": round(seconds, 6),
            "client": client_address(environ, proxies),
            "key": printable(admission.key) if admission is not None else "",
        }
        named = {name: value for name, value in fields.items() if value != ""}
        line = f"{method} {path} {status} {length} B {seconds * 1000:.2f} ms {fields['client']} {fields['request_id']}"
        line += f" key {fields['key']}" if fields["key"] else ""
        self._logger.info("%s", line, extra={"fields": named})


def _time(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)
