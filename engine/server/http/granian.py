"""The seam to Granian: the only module that uses its private parts.

Granian parses HTTP in Rust and calls Python for each request in a thread of its own. With RSGI
(https://github.com/emmett-framework/granian/blob/master/docs/spec/RSGI.md) a body arrives as a future, so that no
thread waits for a slow client, and a body that is cut short is an error instead of a shorter body. Granian expects an
asyncio loop there; `_Loop` takes its place, and runs each callback at once in Granian's thread.
"""

from __future__ import annotations

import operator
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from granian import _granian
from granian.http import HTTP1Settings

from engine.server.listening.certificate import Certificate, as_file
from engine.server.listening.listener import BACKLOG

# Its type stubs lag behind.
_RUST: Any = _granian

# One thread calls Python: it never waits, and so needs no lock of the interpreter that others hold.
_PYTHON_THREADS = 1
# Those that read files for answers.
_FILE_THREADS = 4
_IDLE_SECONDS = 30


class _Loop:
    """What Granian asks of an asyncio event loop: it runs each callback of a future at once, where it is.

    A callback is called with its future, and with `context`.
    """

    call_soon = call_soon_threadsafe = operator.call


@dataclass(frozen=True, slots=True)
class Size:
    """How many `connections` are accepted at once; each has a read buffer of at most `buffer` bytes."""

    connections: int
    buffer: int


def stop_signal() -> Any:
    """Make what ends Granian by its `set`, at any time; `add_cb` takes what is called at the end."""
    return _RUST.WorkerSignal()


def start_granian(
    number: int,
    listener: socket.socket,
    take: Callable[[Any], None],
    signal: Any,
    size: Size,
    certificate: Certificate | None = None,
) -> None:
    """Serve in threads of Granian's own, until the signal is set; over TLS, if there is a certificate.

    `take` is called with each request.
    """
    loop = _Loop()
    scheduler = _RUST.CallbackScheduler(loop, take, None, None, None)
    scheduler._schedule_fn = take  # noqa: SLF001 - what Granian calls with each request
    with _tls_options(certificate) as tls:
        server = _RUST.RSGIWorker(
            number,
            (None, _RUST.SocketHolder(listener.fileno(), False, BACKLOG)),
            None,
            blocking_threads=_FILE_THREADS,
            py_threads=_PYTHON_THREADS,
            py_threads_idle_timeout=_IDLE_SECONDS,
            backpressure=size.connections,
            http_mode="1",
            http1_opts=HTTP1Settings(max_buffer_size=size.buffer),
            **tls,
        )
        server.serve_mtr(scheduler, loop, signal)


@contextmanager
def _tls_options(certificate: Certificate | None) -> Iterator[dict[str, Any]]:
    """Return Granian's options for a certificate, which it reads from files."""
    if certificate is None:
        yield {}
        return
    with as_file(certificate.chain) as chain, as_file(certificate.key) as key:
        yield {"ssl_enabled": True, "ssl_cert": chain, "ssl_key": key, "ssl_protocol_min": "tls1.2"}
