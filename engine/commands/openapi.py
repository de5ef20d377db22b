"""`openapi`: the OpenAPI document of the service."""

from __future__ import annotations

import click

from engine.commands.check import facts_of
from engine.commands.terminal import print_json, progress, spec_options


@click.command(short_help="Print the OpenAPI document.")
@spec_options
def command(routes: str, models: str | None) -> None:
    """Print the OpenAPI 3.1 document of the service, as GET /openapi.json answers it.

    \b
    Examples:
      python -m engine openapi > openapi.json
    """  # noqa: D301
    from engine.endpoints import describe
    from engine.models import run_with_models
    from engine.spec import load

    spec = load(routes, models)
    with progress() as show:
        facts = run_with_models(spec, facts_of, routes, models, progress=show)
    print_json(describe(spec, {one.name: one for one in facts}))
