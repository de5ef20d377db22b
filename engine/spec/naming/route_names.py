"""The typed table of names of a route whose record has been made, and what a body is by its format."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from engine.schema import Subschema
from engine.spec.conditions import guaranteed_by, guaranteed_without, names_in
from engine.spec.model_records import Model
from engine.spec.naming.model_names import ModelAnswer, answer_roots
from engine.spec.naming.name_tables import NamedParts, names_of
from engine.spec.naming.names import Names, Root
from engine.spec.records import Route
from engine.spec.references import parse_template, references_in, string_values
from engine.spec.response_records import Case

_TEXT, _COUNT = {"type": "string"}, {"type": "integer", "minimum": 0}
_BINARY = {
    "type": "object",
    "required": ["type", "size"],
    "properties": {"type": _TEXT, "size": _COUNT},
    "additionalProperties": False,
}
_FILE = {
    "type": "object",
    "required": ["name", "type", "size"],
    "properties": {"name": _TEXT, "type": _TEXT, "size": _COUNT},
    "additionalProperties": False,
}


def route_names(route: Route, models: Mapping[str, Model], answer: Mapping[str, Root] | None = None) -> Names:
    """Make the table of a route of a spec without mistakes; `answer` has the names of its model's answer."""
    parameters = {"query": route.query, "headers": route.headers, "cookies": route.cookies}
    documents = {key: schema.document for key, schema in parameters.items() if schema is not None}
    if route.path_parameters is not None:
        documents["path_parameters"] = route.path_parameters.node.plain
    body: Any = None
    if route.input is not None:
        body = body_document(route.input.document, route.accepts)
    elif route.model is not None and route.instance is None:
        body = models[route.model].input.instance.without(route.parameters).schema
    if route.model is not None and answer is None:
        output = models[route.model].output
        own = ModelAnswer(name=route.model, labels=output.labels, has_probabilities=output.probabilities)
        answer = answer_roots(own)
    return names_of(NamedParts(path=route.path, methods=route.methods, parameters=documents, body=body), answer)


def cases_with_names(cases: tuple[Case, ...], names: Names) -> Iterator[tuple[Case, Names]]:
    """Yield each case with the names that its response can use: what its condition guarantees is there."""
    for case in cases:
        yield case, names if case.when is None else names.assume(guaranteed_by(case.when))
        if case.when is not None and case.chance is None:
            names = names.assume(guaranteed_without(case.when))


def body_document(document: Any, accepts: Collection[str]) -> Any:
    """Return the schema of a body's value: what is said of it, and that of a file only its description is known."""
    if "binary" in accepts:
        own = document if isinstance(document, Mapping) else {}
        return {**own, "allOf": [*own.get("allOf", ()), _BINARY]}
    if "multipart" not in accepts or not isinstance(document, Mapping):
        return document
    properties = {
        name: {"allOf": [part, _FILE]} if Subschema(part, document).types == {"object"} else part
        for name, part in document.get("properties", {}).items()
    }
    return {**document, "properties": properties}


def used_roots(route: Route) -> set[str]:
    """Return the roots of all names that the answers and conditions of a route use."""
    found: set[str] = set()
    for response in route.responses:
        contents = [body.content for body in response.bodies]
        for text in (*string_values(contents), *_keys(contents), *(value for _, value in response.headers)):
            found |= {one.name.root for one in references_in(parse_template(text))}
    for case in route.cases:
        found |= set() if case.when is None else {name.root for name in names_in(case.when)}
        if case.sequence is not None and case.sequence.per is not None:
            found.add(case.sequence.per.root)
    return found


def _keys(content: Any) -> Iterator[str]:
    if isinstance(content, Mapping):
        yield from content
    for item in content.values() if isinstance(content, Mapping) else content if isinstance(content, list) else ():
        yield from _keys(item)
