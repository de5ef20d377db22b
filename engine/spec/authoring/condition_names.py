"""The grammar of routes with the names that the conditions of one spec can use, for editors to complete.

It allows what it allowed before: the names of all routes together are only offered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.schema import JSON_TYPES
from engine.spec.naming.known import Known
from engine.spec.naming.names import Lacking, Names, Parameters
from engine.spec.naming.route_names import route_names
from engine.spec.records import Route, Spec
from engine.spec.references import Name
from engine.text import first_words

MAX_NAMES = 1000
MAX_STEPS = 4
_SHOWN_PATHS = 3
_ROOTS = ("path", "query", "headers", "cookies", "body", "label", "result", "probability", "method")


def add_condition_names(grammar: Mapping[str, Any], spec: Spec) -> dict[str, Any]:
    """Return a grammar that offers the names of a spec under `when`, with their types, routes and choices."""
    offered = _offered(spec)
    names = {"anyOf": [{"enum": list(offered)}, {"type": ["string", "array"]}]} if offered else {}
    condition = grammar["$defs"]["condition"]
    properties = {**offered, **condition["properties"]}
    for key in ("present", "absent"):
        properties[key] = {**properties[key], **names, "items": {**properties[key]["items"], **names}}
    return {**grammar, "$defs": {**grammar["$defs"], "condition": {**condition, "properties": properties}}}


def _offered(spec: Spec) -> dict[str, Any]:
    """Return what an editor shows of each name: its type in the first route that has it, and all of these routes."""
    found: dict[str, tuple[Known, list[str]]] = {}
    for route in spec.routes:
        for name, known in _names_in(route, route_names(route, spec.models)):
            if name in found or len(found) < MAX_NAMES:
                found.setdefault(name, (known, []))[1].append(route.path)
    return {name: _described(known, paths) for name, (known, paths) in found.items()}


def _names_in(route: Route, names: Names) -> Iterator[tuple[str, Known]]:
    spelled = (
        {} if route.headers is None else {key.lower(): key for key, _, _ in route.headers.node["properties"].pairs()}
    )
    waiting = list(_first_names(names, spelled))
    for name in waiting:
        try:
            known = names.find(name)
        except ValueError:  # a part of the schema forbids what another one declares
            continue
        yield str(name), known
        if "object" in known.types and len(name.steps) < MAX_STEPS:
            keys = dict.fromkeys(
                key for part in known.parts for own in part.applied for key in own.get("properties", ())
            )
            waiting += [Name(name.root, (*name.steps, key)) for key in keys]


def _first_names(names: Names, spelled: Mapping[str, str]) -> Iterator[Name]:
    for root in _ROOTS:
        match names.roots[root]:
            case Lacking():
                continue
            case Parameters() as parameters:
                for word in dict.fromkeys(parameters.words()):
                    yield Name(root, (word,), spelled.get(word, "") if root == "headers" else "")
            case _:
                yield Name(root)


def _described(known: Known, paths: list[str]) -> dict[str, Any]:
    kind = "any value" if known.types == JSON_TYPES else known.in_words
    where = first_words(list(dict.fromkeys(paths)), _SHOWN_PATHS)
    choices = known.choices or ([True, False] if known.types == {"boolean"} else [])
    return {
        "description": f"{kind[:1].upper()}{kind[1:]}, in {where}.",
        **({"examples": [*choices]} if choices else {}),
    }
