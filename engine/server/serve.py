"""Workers under Granian: one port, as many processes as asked for, a clean stop."""

from __future__ import annotations

import errno
import logging
import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels

from engine.errors import ServeError
from engine.server.supervisor import Supervisor
from engine.web import Lane, create_app

# A request whose body dribbles in holds a thread. As many threads as connections keep it from starving
# the others; they are started on demand.
CONNECTIONS = 512
BACKLOG = 1024
STOP_SECONDS = 10
PROBE_SECONDS = 0.05
SETTINGS: Mapping[str, Any] = {
    "interface": Interfaces.WSGI,
    "http": HTTPModes.http1,
    "backlog": BACKLOG,
    "backpressure": CONNECTIONS,
    "blocking_threads": CONNECTIONS,
    "workers_kill_timeout": STOP_SECONDS,
    "log_level": LogLevels.error,
    "websockets": False,
}
LOG_FORMAT = "%(asctime)s %(levelname)s %(message)s"


def serve(
    routes: str,
    models: str | None,
    *,
    host: str,
    port: int,
    workers: int,
    announce: Callable[[str], None],
) -> None:
    """Serve a spec until SIGTERM or SIGINT; `announce` gets the URL once it answers.

    Port 0 takes a free one. Raises `ServeError` where the address cannot be had, and `KeyboardInterrupt`
    after a stop by SIGINT.
    """
    logging.basicConfig(format=LOG_FORMAT, level=logging.INFO)
    multiprocessing.set_start_method("spawn", force=True)
    with _claim(host, port) as claimed:
        address, port = claimed.getsockname()[:2]
        server = Supervisor("engine", address=address, port=port, workers=workers, **SETTINGS)
        announcer = threading.Thread(target=_announce, args=(server, host, port, announce), daemon=True)
        server.on_startup(announcer.start)
        server.serve(target_loader=partial(load_app, routes, models), wrap_loader=False)
    if server.stopped_by == signal.SIGINT:
        raise KeyboardInterrupt


def load_app(routes: str, models: str | None) -> Callable[..., Any]:
    """Make the app in a worker process."""
    logging.basicConfig(format=LOG_FORMAT, level=logging.INFO)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    return Lane(create_app(routes, models))


def _end_with_parent() -> None:
    """Stop this worker when the process that keeps it is gone; nobody could stop it otherwise."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _claim(host: str, port: int) -> socket.socket:
    """Take an address for good: fail where somebody listens, then hold it with a socket that does not.

    Workers share the port by SO_REUSEPORT, which would let them share it with a stranger too.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        raise ServeError(f'the host "{host}" is not an address of this machine; try -H 127.0.0.1') from None
    try:
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
            address = probe.getsockname()
        held = socket.socket(family, kind, protocol)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(address)
    except OSError as error:
        raise ServeError(_why_not(host, port, error)) from None
    return held


def _why_not(host: str, port: int, error: OSError) -> str:
    if isinstance(error, PermissionError):
        return f"port {port} needs more rights than this user has; choose one above 1023: -p 8080"
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is taken; choose another with -p, or -p 0 for a free one"
    return f"cannot listen on {host}:{port}: {error.strerror}"


def _announce(server: Supervisor, host: str, port: int, announce: Callable[[str], None]) -> None:
    """Wait until a worker answers."""
    waiter = threading.Event()
    while server.stopped_by is None:
        try:
            with socket.create_connection((host, port), timeout=1):
                break
        except OSError:
            waiter.wait(PROBE_SECONDS)
    shown = f"[{host}]" if ":" in host else host
    if server.stopped_by is None:
        announce(f"http://{shown}:{port}")
