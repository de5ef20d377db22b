"""The one socket on which a service listens: taken for good at start, and closed without losing who has connected."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import socket
import struct
import sys

from engine.errors import ServeError

BACKLOG = 1024

_SO_ATTACH_FILTER = 26
# Classic BPF over a TCP header: load the flags, keep SYN and ACK, drop the packet where SYN alone is set.
_DROP_NEWCOMERS = ((0x30, 0, 0, 13), (0x54, 0, 0, 0x12), (0x15, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))
_TCP_INFO_SIZE = 32
_WAITING_OFFSET = 24  # tcpi_unacked, which for a listening socket counts the connections in its queue


def listen(host: str, port: int) -> socket.socket:
    """Listen on an address; raise `ServeError` where it cannot be had. Port 0 takes a free one."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        raise ServeError(f'the host "{host}" is not an address of this machine; try -H 127.0.0.1') from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ServeError(_why_not(host, port, error)) from None
    return listener


def turn_away_newcomers(listener: socket.socket) -> None:
    """Let nobody new connect, while those who have are still accepted.

    The kernel drops the first packet of every new connection; the client sends it again within a second, to find the
    port closed, or the next service on it. Where the system cannot do this, or does not let us, nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    code = b"".join(struct.pack("HBBI", *step) for step in _DROP_NEWCOMERS)
    steps = ctypes.create_string_buffer(code)
    program = struct.pack("HL", len(_DROP_NEWCOMERS), ctypes.addressof(steps))
    with contextlib.suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


def count_waiting(listener: socket.socket) -> int:
    """Count the connections that no worker has accepted yet, where the system tells."""
    if not sys.platform.startswith("linux"):
        return 0
    try:
        info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_SIZE)
        return int(struct.unpack_from("I", info, _WAITING_OFFSET)[0])
    except (OSError, struct.error):
        return 0


def _why_not(host: str, port: int, error: OSError) -> str:
    if isinstance(error, PermissionError):
        return f"port {port} needs more rights than this user has; choose one above 1023: -p 8080"
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is taken; choose another with -p, or -p 0 for a free one"
    return f"cannot listen on {host}:{port}: {error.strerror}"
