"""The connections of this process, as the kernel knows them: who is connected, and what has come and gone (Linux).

Granian does not tell of its connections. They are found among the descriptors of the process, and closed by
shutdown(2), which Granian notices as it notices a client that goes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import struct
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from engine.handling import reset_connection

# Of struct tcp_info in linux/tcp.h: tcpi_state, tcpi_unacked, tcpi_bytes_acked, tcpi_notsent_bytes.
_INFO_SIZE = 148
_STATE, _CLOSE_WAIT = 0, 8
_UNACKED, _ACKED, _NOT_SENT = 24, 120, 144
_MOST_DESCRIPTORS = 4096
_NO_LINGER = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class Connection:
    """One accepted connection; `client` is its peer as Granian writes it.

    It was first seen at `since`. `acked` bytes have reached the client, the last of them at `moved`, and `is_sending`
    tells whether more are on their way. From `idle_since` it has had no request in hand. At `judged`, `judged_acked`
    bytes had reached a client who reads, or is given time to. Where the client `has_left`, it sends nothing any more.
    """

    client: str
    address: str
    descriptor: int
    inode: int
    since: float
    idle_since: float
    judged: float
    moved: float = 0.0
    judged_acked: int = 0
    acked: int = 0
    is_sending: bool = False
    is_closed: bool = False
    has_left: bool = False

    def has_unsent(self) -> bool:
        """Return whether the kernel keeps bytes that it cannot send yet; False if the connection is gone."""
        with contextlib.suppress(OSError), _borrowed(self.descriptor, self.inode) as held:
            info = held.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_SIZE)
            return len(info) == _INFO_SIZE and struct.unpack_from("I", info, _NOT_SENT)[0] > 0
        return False

    def close(self, *, at_once: bool = False) -> None:
        """Close it; `at_once` drops what the client has not read, and the kernel's memory for it."""
        self.is_closed = True
        with contextlib.suppress(OSError), _borrowed(self.descriptor, self.inode) as held:
            if at_once:
                held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            held.shutdown(socket.SHUT_RDWR)

    def reset(self) -> None:
        """End it by a TCP reset."""
        self.is_closed = True
        with contextlib.suppress(OSError), _borrowed(self.descriptor, self.inode) as held:
            reset_connection(held.fileno())

    def is_there(self) -> bool:
        """Return whether its descriptor is still its own."""
        with contextlib.suppress(OSError):
            return not self.is_closed and os.fstat(self.descriptor).st_ino == self.inode
        return False


class Sockets:
    """The connections accepted on one port of this machine."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._known: dict[int, Connection | None] = {}  # by the inode; None for what is no connection of ours

    def look(self, now: float) -> list[Connection]:
        """Return the open connections, each by the same record for as long as it lasts."""
        found: dict[int, Connection | None] = {}
        for descriptor, inode in _sockets():
            if inode not in self._known:
                self._known[inode] = self._meet(descriptor, inode, now)
            found[inode] = self._known[inode]
        self._known = found
        return [one for one in found.values() if one is not None and not one.is_closed and _update(one, now)]

    def find(self, client: str, now: float) -> Connection | None:
        """Return the connection of a client; look at all of them only if it is not known yet."""
        for one in self._known.values():
            if one is not None and one.client == client and one.is_there():
                return one
        return next((one for one in self.look(now) if one.client == client), None)

    def _meet(self, descriptor: int, inode: int, now: float) -> Connection | None:
        try:
            with _borrowed(descriptor, inode) as held:
                here, there = held.getsockname(), held.getpeername()
                family = held.family
        except OSError:  # it listens, or has just ended
            return None
        if family not in (socket.AF_INET, socket.AF_INET6) or here[1] != self._port:
            return None
        met = Connection(_written(there), there[0], descriptor, inode, since=now, idle_since=now, judged=now)
        _update(met, now)
        met.judged_acked = met.acked
        return met


@contextlib.contextmanager
def _borrowed(descriptor: int, inode: int) -> Iterator[socket.socket]:
    """Use a socket that is Granian's; raise `OSError` where the descriptor is another's by now."""
    try:
        copy = os.dup(descriptor)  # so that it stays this one while it is used
    except OSError:  # none is free
        copy = -1
    held = socket.socket(fileno=descriptor if copy < 0 else copy)
    try:
        if os.fstat(held.fileno()).st_ino != inode:
            raise OSError(errno.EBADF, "another file has this descriptor")
        yield held
    finally:
        if copy < 0:
            held.detach()
        else:
            held.close()


def _sockets() -> Iterator[tuple[int, int]]:
    """Return the descriptor and the inode of every socket of this process."""
    if not sys.platform.startswith("linux"):
        return
    for descriptor in _descriptors():
        try:
            status = os.fstat(descriptor)
        except OSError:
            continue
        if stat.S_ISSOCK(status.st_mode):
            yield descriptor, status.st_ino


def _descriptors() -> Iterable[int]:
    """Return the open descriptors, or the numbers that they may have where none is free to list them by."""
    try:
        return map(int, os.listdir("/proc/self/fd"))  # noqa: PTH208 - thousands of paths would take much longer
    except OSError:
        return range(_MOST_DESCRIPTORS)


def _written(address: tuple[Any, ...]) -> str:
    """Write an address and a port as Rust does, with the number of an IPv6 scope."""
    host, port, *more = address
    if ":" not in host:
        return f"{host}:{port}"
    scope = more[1] if len(more) > 1 else 0
    return f"[{host.partition('%')[0]}{f'%{scope}' if scope else ''}]:{port}"


def _update(connection: Connection, now: float) -> bool:
    """Ask the kernel how a connection does; tell whether it is still there."""
    try:
        held = socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=connection.descriptor)
    except OSError:
        return False
    try:
        info = held.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_SIZE)
    except OSError:
        return False
    finally:
        held.detach()
    if len(info) < _INFO_SIZE:
        return True
    connection.has_left = info[_STATE] == _CLOSE_WAIT
    acked = struct.unpack_from("Q", info, _ACKED)[0]
    if acked != connection.acked:
        connection.acked, connection.moved, connection.idle_since = acked, now, now
    waiting = struct.unpack_from("I", info, _UNACKED)[0] + struct.unpack_from("I", info, _NOT_SENT)[0]
    connection.is_sending = waiting > 0
    return True
