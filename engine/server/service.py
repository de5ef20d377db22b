"""A service from its first check to its last answer."""

from __future__ import annotations

import ipaddress
import logging
import multiprocessing
import signal
import socket
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from engine.endpoints import show_models
from engine.errors import SpecError
from engine.isolation import Progress
from engine.models import lost_at_models, needs_sklearn
from engine.server.checking import CheckResult, SpecSource, check_isolated, check_spec, read_spec, unpinned_models
from engine.server.heartbeat import HANG_SECONDS
from engine.server.listening.certificate import Certificate, CertificateFiles
from engine.server.listening.listener import ADMIN_ADVICE, Addresses, in_url, listen_on
from engine.server.logs import Logs
from engine.server.notify import notify_systemd
from engine.server.reload import Reloader, Renewal
from engine.server.signals import Signals
from engine.server.supervising.supervisor import Supervisor
from engine.spec import Spec


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """How a service runs: port 0 takes a free one; `watching` has it follow the files' changes.

    A worker that has not responded for `hang_seconds` is replaced; 0 turns that off. `admin` is the host and the port
    of the admin address. With a `certificate`, which is what `tls` has in its files, the service speaks TLS.
    """

    host: str
    port: int
    workers: int
    watching: bool
    logs: Logs
    hang_seconds: float = HANG_SECONDS
    admin: tuple[str, int] | None = None
    tls: CertificateFiles | None = None
    certificate: Certificate | None = None


def first_check(source: SpecSource, progress: Progress) -> tuple[CheckResult, Spec]:
    """Check a spec before it is served, and give it; raise `SpecError` with its mistakes.

    What would import scikit-learn or open a model file is done in another process. `progress` is told of the steps that
    take their time.
    """
    known = read_spec(source)
    spec, packed = known.spec, known.packed
    with lost_at_models(spec):
        if packed is None:
            apart = bool(needs_sklearn(spec) or unpinned_models(spec))
        else:
            apart = any(one.compiled.needs_estimator for one in packed.values())
        outcome = check_isolated(source, progress) if apart else check_spec(source, known=known)
    if outcome.snapshot is None:
        raise SpecError(outcome.mistakes)
    return outcome, spec


def serve(
    source: SpecSource,
    first: CheckResult,
    options: ServeOptions,
    signals: Signals,
    announce: Callable[[str, str], None],
) -> None:
    """Serve what has been checked until SIGTERM or SIGINT; `announce` gets the URLs once they answer.

    These are the service's own, and that of the admin address, empty where there is none.

    Raises `ServeError` where the address cannot be had, and `KeyboardInterrupt` after a stop by SIGINT.
    """
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    multiprocessing.set_start_method("spawn", force=True)
    with ExitStack() as opened:
        host, admin_host = _bare(options.host), _bare(options.admin[0] if options.admin else "")
        listener = opened.enter_context(listen_on(host, options.port, options.workers))
        url = f"{'http' if options.certificate is None else 'https'}://{in_url(host)}:{listener.port}"
        admin, admin_url = None, ""
        if options.admin is not None:
            admin = opened.enter_context(listen_on(admin_host, options.admin[1], options.workers, ADMIN_ADVICE))
            admin_url = f"http://{in_url(admin_host)}:{admin.port}"

        def ready() -> None:
            notify_systemd("READY=1")
            announce(url, admin_url)

        addresses = Addresses(listener, admin, options.certificate)
        supervisor = Supervisor(addresses, options.workers, options.logs, ready, options.hang_seconds)
        renewal = Renewal(supervisor, options.tls, options.certificate) if options.tls and options.certificate else None
        reloader = Reloader(source, supervisor, first, watching=options.watching, renewal=renewal)
        signals.hand_over(supervisor.stop, reloader.reload)
        supervisor.publish(first.snapshot or b"", show_models(first.facts), first.modules)
        first.snapshot = None  # it may be large, and the supervisor has it
        reloader.start()
        supervisor.run()
        reloader.stop()
    if supervisor.stopped_by == signal.SIGINT:
        raise KeyboardInterrupt


def require_addresses(options: ServeOptions) -> None:
    """Raise `ServeError` where an address cannot be had: nothing should be compiled and pinned for nothing."""
    if options.port:
        listen_on(_bare(options.host), options.port, 1).close()
    if options.admin is not None and options.admin[1]:
        listen_on(_bare(options.admin[0]), options.admin[1], 1, ADMIN_ADVICE).close()


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address."""
    host = _bare(host)
    try:
        return ipaddress.ip_address(socket.gethostbyname(host) if ":" not in host else host).is_loopback
    except (OSError, ValueError):
        return False


def _bare(host: str) -> str:
    """Return a host without the brackets that it has in a URL."""
    return host.removeprefix("[").removesuffix("]")
