"""`routes`: which URLs the spec declares, and what answers them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import click

from engine.spec import Case, DeclaredResponse, Route, Spec
from engine.terminal import json_option, print_json, print_table, spec_options
from engine.text import join_words, plural


@click.command(short_help="List the routes.")
@spec_options
@json_option
def command(routes: str, models: str | None, as_json: bool) -> None:
    """List the routes: path, methods, response or model and, if there are guards, the API keys and the rate.

    Every route also answers HEAD (with GET) and OPTIONS. The engine's own routes come last.

    \b
    Examples:
      python -m engine routes
      python -m engine routes -r examples/4-iris/routes.yaml --json
    """  # noqa: D301
    from engine.spec import load_spec

    spec = load_spec(routes, models)
    if as_json:
        every = (*spec.routes, *spec.built_in)
        print_json([_told(route) for route in every])
    else:
        print_routes(spec)


def print_routes(spec: Spec, most: int | None = None) -> None:
    """Print the table of routes; a column that says the same of all of them, that there is no guard, is left out.

    If `most` is given, at most so many of the file's own routes are shown, and those of protocols are one row for each.
    """
    shown = spec.routes[:most]
    folded = {} if most is None else _by_protocol(spec)
    added = [route for route in spec.built_in if most is None or route.wire is None or route.path in folded]
    every = (*shown, *added)
    columns: dict[str, list[str]] = {
        "path": [route.path for route in every],
        "methods": [", ".join(route.methods) for route in every],
        "answer": [folded.get(route.path) or describe_answer(route) for route in every],
    }
    if spec.service.auth is not None:
        columns["keys"] = [_keys(route) for route in every]
    if any(route.rate is not None for route in every):
        columns["rate"] = ["" if route.rate is None else str(route.rate) for route in every]
    print_table(tuple(columns), zip(*columns.values(), strict=True))
    if len(shown) < len(spec.routes):
        click.echo(
            f"\n{len(spec.routes) - len(shown):,} more routes are not shown; to list all: python -m engine routes"
        )


def _by_protocol(spec: Spec) -> dict[str, str]:
    """Return the path of the first route of each protocol, with how many there are."""
    wires = [(one.path, protocol) for one in spec.built_in if one.wire is not None for protocol in one.wire.protocols]
    counts = Counter(protocol for _, protocol in wires)
    said: dict[str, str] = {}
    for protocol, count in counts.items():
        path = next((path for path, name in wires if name == protocol and path != "/"), "/")
        more = f"the protocol {protocol}, {plural(count, 'route')}"
        said[path] = f"{said[path]}; {more}" if path in said else more
    return said


def _keys(route: Route) -> str:
    if route.allowed is not None:
        return ", ".join(route.allowed)
    return "this machine" if route.built_in == "status" else "everybody"


def _told(route: Route) -> dict[str, Any]:
    return {
        "path": route.path,
        "methods": list(route.methods),
        "answer": describe_answer(route),
        "keys": None if route.allowed is None else list(route.allowed),
        "rate_limit": None if route.rate is None else str(route.rate),
    }


def describe_answer(route: Route) -> str:
    """Say in a few words what answers a route."""
    if route.built_in is not None:
        return f"built in: {route.built_in}"
    if route.wire is not None:
        return f"{'/'.join(route.wire.protocols)} {route.wire.action}" + f": model {route.model}" * bool(route.model)
    if not route.cases:
        return f"model {route.model}"
    answers = list(dict.fromkeys(answer for case in route.cases for answer in _describe_case(case, route)))
    by_model = f"model {route.model}: " * (route.model is not None)
    return by_model + join_words(answers, "or") + ", input checked" * (route.input is not None)


def _describe_case(case: Case, route: Route) -> Iterator[str]:
    fault = case.fault if case.has_fault else route.fault
    if fault is not None and fault.failure is not None and fault.failure.chance == 1:
        yield fault.failure.kind
    else:
        yield from map(_describe_response, case.responses)


def _describe_response(declared: DeclaredResponse) -> str:
    kinds = [f"file {body.content}" if body.kind == "file" else body.kind for body in declared.bodies]
    return f"{declared.status} {'/'.join(kinds) or 'empty'}"
