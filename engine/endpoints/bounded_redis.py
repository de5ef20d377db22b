"""Connections to a Redis server that may answer anything: counting is bounded in time and in bytes read.

redis-py bounds each wait, not their sum, and reads a line or a string of any length.
"""

from __future__ import annotations

import errno
import math
import socket
import threading
import time
from typing import Any, cast

from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection

# The answers to everything that one request asks, the handshake of a new connection included, have a few hundred bytes.
MOST_BYTES = 64 * 1024


class Allowance(threading.local):
    """What this thread may still read, and until when."""

    def __init__(self) -> None:
        self._until, self._bytes = math.inf, MOST_BYTES

    def begin(self, seconds: float) -> None:
        """Allow a new request so many seconds."""
        self._until, self._bytes = time.monotonic() + seconds, MOST_BYTES

    def require_time(self) -> None:
        """Raise `TimeoutError` if there is no time left."""
        if time.monotonic() > self._until:
            raise TimeoutError("Redis does not finish its answer")

    def take(self, size: int) -> None:
        """Note so many bytes; raise `OSError` if they are too many."""
        self._bytes -= size
        if self._bytes < 0:
            raise OSError(errno.EMSGSIZE, "Redis answers with too many bytes")


ALLOWANCE = Allowance()


class _BoundedSocket:
    """A socket that is read within the thread's allowance."""

    def __init__(self, held: socket.socket) -> None:
        self._held = held

    def recv(self, *arguments: Any) -> bytes:
        ALLOWANCE.require_time()
        data = self._held.recv(*arguments)
        ALLOWANCE.take(len(data))
        return data

    def recv_into(self, *arguments: Any) -> int:  # what hiredis reads with, where it is installed
        ALLOWANCE.require_time()
        size = self._held.recv_into(*arguments)
        ALLOWANCE.take(size)
        return size

    def __getattr__(self, name: str) -> Any:
        return getattr(self._held, name)


def _bounded(held: socket.socket) -> socket.socket:
    return cast("socket.socket", _BoundedSocket(held))


class _Tcp(Connection):
    def _connect(self) -> socket.socket:
        connect: Any = super()._connect  # untyped in redis-py
        return _bounded(connect())


class _Tls(SSLConnection):
    def _connect(self) -> socket.socket:
        connect: Any = super()._connect  # untyped in redis-py
        return _bounded(connect())


class _Unix(UnixDomainSocketConnection):
    def _connect(self) -> socket.socket:
        connect: Any = super()._connect  # untyped in redis-py
        return _bounded(connect())


def connection_class(url: str) -> type[Connection | UnixDomainSocketConnection]:
    """Return the kind of connection that a URL asks for."""
    scheme = url.partition("://")[0]
    return _Tls if scheme == "rediss" else _Unix if scheme == "redis+unix" else _Tcp
