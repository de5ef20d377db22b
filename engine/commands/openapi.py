"""`openapi`: the OpenAPI document of the service."""

from __future__ import annotations

import click

from engine.commands.check import facts_of
from engine.terminal import print_json, show_progress, spec_options


@click.command(short_help="Print the OpenAPI document.")
@spec_options
def command(routes: str, models: str | None) -> None:
    """Print the OpenAPI 3.1 document of the service, as GET /openapi.json answers it.

    \b
    Examples:
      python -m engine openapi > openapi.json
    """  # noqa: D301
    from engine.endpoints import describe_spec
    from engine.models import run_with_models
    from engine.spec import load_spec

    spec = load_spec(routes, models)
    with show_progress() as show:
        facts = run_with_models(spec, facts_of, routes, models, progress=show)
    print_json(describe_spec(spec, {one.name: one for one in facts}))
