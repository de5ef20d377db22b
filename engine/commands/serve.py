"""`serve`: the production server."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from engine.commands.bundle import bundle_to_serve
from engine.commands.check import print_models
from engine.commands.routes import print_routes
from engine.errors import EngineError, SpecError
from engine.spec import Spec, divide_for_admin
from engine.terminal import (
    MAX_PORT,
    Number,
    print_diagnostics,
    print_without_waiting,
    read_address,
    read_duration,
    show_progress,
    spec_options,
)
from engine.text import plural
from engine.tracing import TraceSettings, read_trace_settings

if TYPE_CHECKING:
    from engine.server import CertificateFiles
    from engine.server.checking import CheckResult

DEFAULT_PORT = 5000
MOST_ROUTES = 200  # shown at start

logger = logging.getLogger("engine")


@click.command(short_help="Serve the spec, or a bundle.")
@click.argument("bundle", metavar="[BUNDLE]", required=False)
@spec_options
@click.option("-H", "--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "-p",
    "--port",
    type=Number(0, MAX_PORT),
    help="The port; 0 takes a free one.  [default: the environment variable AIP_HTTP_PORT, else PORT, else 5000]",
)
@click.option(
    "-w",
    "--workers",
    type=Number(1, 256),
    help="The worker processes.  [default: the environment variable WEB_CONCURRENCY, else one for each core]",
)
@click.option("--no-reload", "reload", flag_value=False, default=True, help="Do not reload when files change.")
@click.option(
    "--hang-timeout",
    callback=read_duration,
    default="5s",
    show_default=True,
    metavar="TIME",
    help="Replace a worker that has not responded for this long; 0 for never.",
)
@click.option(
    "--admin",
    callback=read_address,
    metavar="HOST:PORT",
    help="Answer /metrics and /-/status at this address alone, and the health checks at both.",
)
@click.option("--tls-cert", metavar="FILE", help="Serve HTTPS with this certificate, or chain of them, in PEM form.")
@click.option("--tls-key", metavar="FILE", help="The private key of --tls-cert, in PEM form and not encrypted.")
@click.option("--locked", is_flag=True, help="Serve only pinned models, or the bundle of --sha256.")
@click.option("--sha256", metavar="HASH", help="Serve the bundle only if it has this SHA-256.")
@click.option(
    "--log-format",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="Plain text, or JSON for programs.",
)
@click.option("--log-requests", is_flag=True, help="Log a line for each request.")
def command(
    bundle: str | None,
    routes: str,
    models: str | None,
    host: str,
    port: int | None,
    workers: int | None,
    reload: bool,
    hang_timeout: float,
    admin: tuple[str, int] | None,
    tls_cert: str | None,
    tls_key: str | None,
    locked: bool,
    sha256: str | None,
    log_format: Literal["text", "json"],
    log_requests: bool,
) -> None:
    """Serve the spec with the production server, until SIGTERM or ^C.

    Mistakes that `check` reports prevent the start. When the files change, they are checked again: valid changes go
    live without dropping a request, and invalid ones change nothing. On SIGHUP the files are checked at once,
    and the certificate is read again.

    A BUNDLE, which `bundle` has made, is served as it is: nothing else is read, compiled or written.

    \b
    Examples:
      python -m engine serve
      python -m engine serve -r examples/4-iris/routes.yaml -p 8080 -w 4
      python -m engine serve service.zip
      python -m engine serve --tls-cert cert.pem --tls-key key.pem --admin 127.0.0.1:9000
    """  # noqa: D301
    from engine import server
    from engine.models import writable_cache

    signals = server.Signals()
    port, port_source = _given_or_set(port, "AIP_HTTP_PORT", 0, MAX_PORT)
    if port is None:
        port, port_source = _given_or_set(port, "PORT", 0, MAX_PORT)
    workers, workers_source = _given_or_set(workers, "WEB_CONCURRENCY", 1, 256)

    tls = _certificate_files(tls_cert, tls_key)
    if admin is not None and admin == (host, port or DEFAULT_PORT):
        raise click.UsageError(f"--admin needs a port of its own; port {admin[1]} is that of the service")

    def announce(url: str, admin_url: str) -> None:
        reach = "" if server.is_loopback(host) else ", which other machines can reach"
        chosen = [f"port from {port_source}"] * bool(port_source)
        chosen += [f"{plural(count, 'worker')} from {workers_source}"] * bool(workers_source)
        about = [str(said) for said in (certificate, traces) if said is not None]
        if admin is not None:
            admin_reach = "" if server.is_loopback(admin[0]) else ", which other machines can reach"
            about.append(f"metrics and status at {admin_url}{admin_reach}")
        if log_format == "json":
            for line in about:
                logger.info("%s", line)
            logger.info("serving on %s%s%s", url, reach, f" ({', '.join(chosen)})" if chosen else "")
            return
        docs = [f"docs at {url}{route.path}" for route in spec.built_in if route.built_in == "docs"]
        start = f"serving on {url}{reach} ({', '.join([*chosen, 'press ^C to stop'])})"
        print_without_waiting("\n".join([*docs, *about, start]))

    count, logs = workers or server.usable_cores(), server.Logs(log_format, log_requests)
    is_logged = log_format == "json" or not sys.stderr.isatty()  # where nobody sees the line of a terminal
    source = server.SpecSource(routes, models, locked, count, *bundle_to_serve(bundle, sha256, locked=locked))
    reload = reload and bundle is None
    logs.begin()
    with (
        _failing_in_the_log() if log_format == "json" else nullcontext(),
        writable_cache(Path(routes).parent) if bundle is None else nullcontext(),
    ):
        traces = _read_traces()
        certificate = tls.read() if tls is not None else None
        options = server.ServeOptions(
            host, DEFAULT_PORT if port is None else port, count, reload, logs, hang_timeout, admin, tls, certificate
        )
        server.require_addresses(options)
        with nullcontext(server.log_step) if is_logged else show_progress() as show:
            show(f"checking {bundle or routes}")
            first, spec = server.first_check(source, show)
        if log_format == "json":
            for said in (*first.mistakes, *first.notes):
                logger.warning("%s", said)
        else:
            shown = spec if admin is None else divide_for_admin(spec)[0]
            print_start(first, shown, *[""] * (bundle is not None))  # there is nothing to compile from
        server.serve(source, first, options, signals, announce)


def print_start(first: CheckResult, spec: Spec, *explained_by: str) -> None:
    """Print what is served, and what a check has said of it; `print_models` says what else it takes."""
    print_diagnostics(first.mistakes)
    click.echo(f"{spec.service.title} {spec.service.version}\n")
    print_routes(spec, MOST_ROUTES)
    click.echo()
    print_models(first.facts, *explained_by)
    for note in first.notes:
        click.echo(note)


@contextmanager
def _failing_in_the_log() -> Iterator[None]:
    """Have what ends the service stand in the log, line by line."""
    try:
        yield
    except EngineError as error:
        for said in error.diagnostics if isinstance(error, SpecError) else (error,):
            logger.error("%s", said)  # noqa: TRY400 - no traceback says more
        raise click.exceptions.Exit(1) from None


def _read_traces() -> TraceSettings | None:
    """Read the variables of OpenTelemetry, and warn of those that have no effect."""
    traces = read_trace_settings(os.environ)
    for warning in traces.warnings if traces is not None else ():
        logger.warning("%s", warning)
    return traces


def _certificate_files(chain: str | None, key: str | None) -> CertificateFiles | None:
    """Return the files that --tls-cert and --tls-key name, None without them."""
    from engine.server import CertificateFiles

    if chain is None and key is None:
        return None
    if chain is None or key is None:
        given, lacking = ("--tls-cert", "--tls-key") if key is None else ("--tls-key", "--tls-cert")
        raise click.UsageError(f"{given} needs {lacking} too; add {lacking} FILE")
    return CertificateFiles(Path(chain), Path(key))


def _given_or_set(given: int | None, variable: str, least: int, most: int) -> tuple[int | None, str]:
    """Return an option's number or that of an environment variable, and that variable's name where it decides."""
    text = os.environ.get(variable, "")
    if given is not None or not text:
        return given, ""
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(most)) and least <= int(text) <= most):
        raise click.UsageError(
            f'the environment variable {variable} is "{text}"; it must be a whole number from {least} to {most}'
        )
    return int(text), variable
