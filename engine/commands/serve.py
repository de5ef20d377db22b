"""`serve`: the production server."""

from __future__ import annotations

import os

import click

from engine.commands.check import print_models
from engine.commands.options import spec_options
from engine.commands.output import progress, report
from engine.commands.routes import print_routes


@click.command(short_help="Serve the spec.")
@spec_options
@click.option("-H", "--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "-p", "--port", default=5000, show_default=True, type=click.IntRange(0, 65535), help="The port; 0 takes a free one."
)
@click.option(
    "-w", "--workers", type=click.IntRange(1, 256), help="The worker processes.  [default: one for each core]"
)
def serve(routes: str, models: str | None, host: str, port: int, workers: int | None) -> None:
    """Serve the spec with the production server, until SIGTERM or ^C.

    What `check` would refuse is refused here too, before the port is opened.

    \b
    Examples:
      python -m engine serve
      python -m engine serve -r examples/iris/routes.yaml -p 8080 -w 4
    """  # noqa: D301
    from engine import server
    from engine.endpoints import build_endpoints
    from engine.models import compile_apart, compile_models, writable_cache
    from engine.spec import load

    def announce(url: str) -> None:
        click.echo(f"serving on {url} (press ^C to stop)")

    spec = load(routes, models)
    with writable_cache(spec):
        with progress() as show:
            compile_apart(spec, routes, models, show)
        predictors = compile_models(spec)
        build_endpoints(spec, predictors)
        report(spec.warnings)
        click.echo(f"{spec.service.title} {spec.service.version}\n")
        print_routes(spec)
        click.echo()
        print_models(predictor.facts for predictor in predictors.values())
        count = workers or _cores()
        server.serve(routes, models, host=host, port=port, workers=count, announce=announce)


def _cores() -> int:
    """Count the processor cores that this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
