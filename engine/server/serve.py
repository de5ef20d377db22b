"""A service from its first check to its last answer."""

from __future__ import annotations

import ipaddress
import logging
import multiprocessing
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass

from engine.endpoints import show_models
from engine.errors import SpecError
from engine.models import lost_at_models, needs_sklearn
from engine.server.apart import check_apart
from engine.server.heartbeat import HANG_SECONDS
from engine.server.listener import in_url, listen
from engine.server.logs import Logs
from engine.server.notify import notify
from engine.server.reload import Reloader
from engine.server.signals import Signals
from engine.server.snapshot import Outcome, Progress, Source, check, newcomers
from engine.server.supervisor import Supervisor
from engine.spec import Spec


@dataclass(frozen=True, slots=True)
class Options:
    """How a service runs: port 0 takes a free one; `watching` has it follow the files' changes.

    A worker that has not responded for `hang_seconds` is replaced; 0 turns that off.
    """

    host: str
    port: int
    workers: int
    watching: bool
    logs: Logs
    hang_seconds: float = HANG_SECONDS


def first_check(source: Source, progress: Progress) -> tuple[Outcome, Spec]:
    """Check a spec before it is served, and give it; raise `SpecError` with its mistakes.

    What would import scikit-learn or open a model file is done in another process. `progress` is told of the steps that
    take their time.
    """
    spec, packed = source.read()
    with lost_at_models(spec):
        if packed is None:
            apart = bool(needs_sklearn(spec) or newcomers(spec))
        else:
            apart = any(one.needs_file for one in packed.values())
        outcome = check_apart(source, progress) if apart else check(source)
    if outcome.snapshot is None:
        raise SpecError(outcome.mistakes)
    return outcome, spec


def serve(source: Source, first: Outcome, options: Options, signals: Signals, announce: Callable[[str], None]) -> None:
    """Serve what has been checked until SIGTERM or SIGINT; `announce` gets the URL once it answers.

    Raises `ServeError` where the address cannot be had, and `KeyboardInterrupt` after a stop by SIGINT.
    """
    host = options.host.removeprefix("[").removesuffix("]")  # as a URL has it
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    multiprocessing.set_start_method("spawn", force=True)
    with listen(host, options.port, options.workers) as listener:
        url = f"http://{in_url(host)}:{listener.port}"

        def ready() -> None:
            notify("READY=1")
            announce(url)

        supervisor = Supervisor(listener, options.workers, options.logs, ready, options.hang_seconds)
        reloader = Reloader(source, supervisor, first, watching=options.watching)
        signals.hand_over(supervisor.stop, reloader.reload)
        supervisor.publish(first.snapshot or b"", show_models(first.facts), first.modules)
        first.snapshot = None  # it may be large, and the supervisor has it
        reloader.start()
        supervisor.run()
        reloader.stop()
    if supervisor.stopped_by == signal.SIGINT:
        raise KeyboardInterrupt


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address."""
    host = host.removeprefix("[").removesuffix("]")
    try:
        return ipaddress.ip_address(socket.gethostbyname(host) if ":" not in host else host).is_loopback
    except (OSError, ValueError):
        return False
