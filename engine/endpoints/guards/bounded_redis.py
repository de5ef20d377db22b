"""Connections to a Redis server that may send any answer: counting is bounded in time and in bytes.

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

# The answers to all commands of one request, including the handshake of a new connection, have a few hundred bytes.
MOST_BYTES = 64 * 1024


class Allowance(threading.local):
    """The bytes that this thread may still read, and its deadline."""

    def __init__(self) -> None:
        self._until, self._bytes = math.inf, MOST_BYTES

    def begin(self, seconds: float) -> None:
        """Start a new request with that many seconds."""
        self._until, self._bytes = time.monotonic() + seconds, MOST_BYTES

    def require_time(self) -> None:
        """Raise `TimeoutError` if there is no time left."""
        if time.monotonic() > self._until:
            raise TimeoutError("Redis does not finish its answer")

    def take(self, size: int) -> None:
        """Count bytes; raise `OSError` if they are too many."""
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

    def recv_into(self, *arguments: Any) -> int:  # hiredis reads with this, if it is installed
        ALLOWANCE.require_time()
        size = self._held.recv_into(*arguments)
        ALLOWANCE.take(size)
        return size

    def __getattr__(self, name: str) -> Any:
        return getattr(self._held, name)


class _Bounded:
    def _connect(self) -> socket.socket:
        connect: Any = super()._connect  # type: ignore[misc]  # of the connection beside it
        return cast("socket.socket", _BoundedSocket(connect()))


class _Tcp(_Bounded, Connection): ...


class _Tls(_Bounded, SSLConnection): ...


class _Unix(_Bounded, UnixDomainSocketConnection): ...


def connection_class(url: str) -> type[Connection | UnixDomainSocketConnection]:
    """Return the class of connections for a URL."""
    scheme = url.partition("://")[0]
    return _Tls if scheme == "rediss" else _Unix if scheme == "redis+unix" else _Tcp
