"""`routes`: which URLs the spec declares, and what answers them."""

from __future__ import annotations

import click

from engine.commands.options import json_option, spec_options
from engine.commands.output import print_json, print_table
from engine.spec import Route, Spec


@click.command(short_help="List the routes.")
@spec_options
@json_option
def routes(routes: str, models: str | None, as_json: bool) -> None:
    """List the routes: path, methods, and what answers.

    HEAD (with GET) and OPTIONS are answered on every route. The last ones are those that the engine adds.

    \b
    Examples:
      python -m engine routes
      python -m engine routes -r examples/iris/routes.yaml --json
    """  # noqa: D301
    from engine.spec import load

    spec = load(routes, models)
    if as_json:
        every = (*spec.routes, *spec.built_in)
        print_json([{"path": r.path, "methods": list(r.methods), "answer": answer(r)} for r in every])
    else:
        print_routes(spec)


def print_routes(spec: Spec) -> None:
    """Print the table of routes."""
    rows = [(route.path, ", ".join(route.methods), answer(route)) for route in (*spec.routes, *spec.built_in)]
    print_table(("path", "methods", "answer"), rows)


def answer(route: Route) -> str:
    """Say in a few words what answers a route."""
    if route.built_in is not None:
        return f"built in: {route.built_in}"
    if route.response is None:
        return f"model {route.model}"
    kind = f"file {route.response.content}" if route.response.kind == "file" else route.response.kind
    return f"{route.response.status} {kind}" + (", input checked" if route.input is not None else "")
