"""The sockets on which a service listens: taken for good at start, and closed without losing who has connected.

A service has an address for its clients and may have one for those who run it.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import socket
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from engine.errors import ServeError
from engine.server.listening.certificate import Certificate

BACKLOG = 1024

# What Linux has and Python does not name; both take a program in classic BPF, as steps of (code, true, false, value).
_SO_ATTACH_FILTER = 26
_SO_ATTACH_REUSEPORT_CBPF = 51
_RETURN = 0x06
# Over a TCP header: load the flags, keep SYN and ACK, drop the packet where SYN alone is set.
_DROP_NEWCOMERS = (
    (0x30, 0, 0, 13),
    (0x54, 0, 0, 0x12),
    (0x15, 0, 1, 0x02),
    (_RETURN, 0, 0, 0),
    (_RETURN, 0, 0, 0xFFFFFFFF),
)
_LOAD_RANDOM = (0x20, 0, 0, 0xFFFFF038)
_MODULO, _IF_EQUAL = 0x94, 0x15
_DEAD_MILLISECONDS = 60_000
_TCP_INFO_SIZE = 32
_WAITING_OFFSET = 24  # tcpi_unacked, which for a listening socket counts the connections in its queue


class Listener:
    """The address of a service: a socket for each worker, among which Linux chooses; elsewhere one for all.

    Of the sockets, which have places numbered from 1, one more than there are workers is there for a successor.
    From one socket, the worker that wakes first accepts whoever has come, and others stay idle. The sockets are those
    of the service, not of the workers: who waits in the queue of a worker that dies is accepted by the next one.
    """

    def __init__(self, sockets: Sequence[socket.socket], workers: int) -> None:
        self._sockets = sockets
        self.port = int(sockets[0].getsockname()[1])
        self._workers = workers
        self._aims: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def drop_dead_clients(self) -> None:
        """Have the kernel end a connection whose client takes nothing for a minute, if it is gone or does not read.

        Accepted sockets inherit this (tcp(7)). Workers end most of them long before.
        """
        if sys.platform.startswith("linux"):
            for one in self._sockets:
                with contextlib.suppress(OSError):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _DEAD_MILLISECONDS)

    def of(self, place: int) -> socket.socket:
        return self._sockets[(place - 1) % len(self._sockets)]

    def aim(self, places: Sequence[int]) -> None:
        """Let each new connection come to any of these places; without any, to those where workers begin."""
        aims = sorted(place - 1 for place in places) or list(range(self._workers))
        if len(self._sockets) > 1 and aims != self._aims:
            with contextlib.suppress(OSError):  # then it stays as it was, and is tried again the next time
                _choose_among(self._sockets[0], aims)
                self._aims = aims

    def turn_away_newcomers(self) -> None:
        """Let nobody new connect, while those who have are still accepted.

        The kernel drops the first packet of every new connection; the client sends it again within a second, to find
        the port closed, or the next service on it. Where the system cannot do this, or does not let us, nothing
        happens.
        """
        if not sys.platform.startswith("linux"):
            return
        for one in self._sockets:
            with contextlib.suppress(OSError):
                _attach(one, _SO_ATTACH_FILTER, _DROP_NEWCOMERS)

    def count_waiting(self, place: int | None = None) -> int:
        """Count the connections that no worker has accepted yet, of one place or of all, where the system tells."""
        sockets = self._sockets if place is None else [self.of(place)]
        return sum(map(_count_waiting, sockets)) if sys.platform.startswith("linux") else 0

    def close(self) -> None:
        for one in self._sockets:
            one.close()


@dataclass(frozen=True, slots=True)
class Advice:
    """How an address is chosen: the options for another `host` and `port`, and for any `free` port."""

    host: str = "-H 127.0.0.1"
    port: str = "-p 8080"
    free: str = "another with -p, or -p 0 for a free one"
    interface: str = "-H {host}%eth0"


ADMIN_ADVICE = Advice(
    host="--admin 127.0.0.1:9000",
    port="--admin 127.0.0.1:9000",
    free="another with --admin",
    interface="--admin [{host}%eth0]:9000",
)


def listen_on(host: str, port: int, workers: int, advice: Advice = Advice()) -> Listener:
    """Listen on an address; raise `ServeError` where it cannot be had. Port 0 takes a free one."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        raise ServeError(f'the host "{host}" is not an address of this machine; try {advice.host}') from None
    with contextlib.ExitStack() as opened:
        first = opened.enter_context(socket.socket(family, kind, protocol))
        try:
            first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            first.bind(address)
            listener = _divided(first, workers) or _whole(first)
        except OSError as error:
            raise ServeError(_why_not(host, port, error, advice)) from None
        opened.pop_all()
    listener.drop_dead_clients()
    return listener


def _divided(first: socket.socket, count: int) -> Listener | None:
    """Listen by a socket for each worker, and one more; None where the system cannot choose among them.

    The first was bound without SO_REUSEPORT, so that no other service shares its address unawares.
    """
    if not sys.platform.startswith("linux"):
        return None
    with contextlib.ExitStack() as opened, contextlib.suppress(OSError):
        first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sockets = [first]
        for _ in range(count):
            sockets.append(opened.enter_context(socket.socket(first.family, first.type, first.proto)))
            sockets[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sockets[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sockets[-1].bind(first.getsockname())
        for one in sockets:  # the kernel knows them by the order in which they began to listen
            one.listen(BACKLOG)
        _choose_among(first, range(count))
        opened.pop_all()
        return Listener(sockets, count)
    return None


def _whole(only: socket.socket) -> Listener:
    if sys.platform.startswith("linux"):
        only.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)
    only.listen(BACKLOG)
    return Listener([only], 1)


def _choose_among(group: socket.socket, places: Sequence[int]) -> None:
    """Let each new connection come to any of these sockets of the group to which one belongs; raise `OSError`."""
    choices = [step for at, to in enumerate(places) for step in ((_IF_EQUAL, 0, 1, at), (_RETURN, 0, 0, to))]
    steps = [_LOAD_RANDOM, (_MODULO, 0, 0, len(places)), *choices, (_RETURN, 0, 0, places[0])]
    _attach(group, _SO_ATTACH_REUSEPORT_CBPF, steps)


def _attach(to: socket.socket, option: int, steps: Sequence[tuple[int, int, int, int]]) -> None:
    """Return the kernel a program for a socket; raise `OSError`."""
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    to.setsockopt(socket.SOL_SOCKET, option, struct.pack("HL", len(steps), ctypes.addressof(code)))


def _count_waiting(listener: socket.socket) -> int:
    try:
        info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_SIZE)
        return int(struct.unpack_from("I", info, _WAITING_OFFSET)[0])
    except (OSError, struct.error):
        return 0


def in_url(host: str) -> str:
    """Write a host as a URL has it; RFC 6874 is about the interface of a link-local address."""
    return f"[{host.replace('%', '%25')}]" if ":" in host else host


def _why_not(host: str, port: int, error: OSError, advice: Advice) -> str:
    if isinstance(error, PermissionError):
        return f"port {port} needs more rights than this user has; choose one above 1023: {advice.port}"
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is already in use; choose {advice.free}"
    if error.errno == errno.EINVAL and host.lower().startswith("fe80:") and "%" not in host:
        example = advice.interface.format(host=host)
        return f"{host} is a link-local address, which requires the name of an interface: {example}"
    return f"cannot listen on {in_url(host)}:{port}: {error.strerror}"


@dataclass(frozen=True, slots=True)
class Door:
    """Where one worker accepts connections, and the certificate that it shows to clients of the service."""

    service: socket.socket
    admin: socket.socket | None = None
    certificate: Certificate | None = None


class Addresses:
    """The listeners of a service, which do the same at the same time; `certificate` is for workers that start."""

    def __init__(
        self, service: Listener, admin: Listener | None = None, certificate: Certificate | None = None
    ) -> None:
        self._service = service
        self._admin = admin
        self._all = [service] if admin is None else [service, admin]
        self.certificate = certificate

    def door(self, place: int) -> Door:
        """Return what a worker that starts now needs to accept at a place."""
        admin = None if self._admin is None else self._admin.of(place)
        return Door(self._service.of(place), admin, self.certificate)

    def aim(self, places: Sequence[int]) -> None:
        """Let each new connection come to any of these places."""
        for one in self._all:
            one.aim(places)

    def turn_away_newcomers(self) -> None:
        """Let nobody new connect, while those who have are still accepted."""
        for one in self._all:
            one.turn_away_newcomers()

    def count_waiting(self, place: int | None = None) -> int:
        """Count the connections that no worker has accepted yet, of one place or of all."""
        return sum(one.count_waiting(place) for one in self._all)

    def close(self) -> None:
        for one in self._all:
            one.close()
