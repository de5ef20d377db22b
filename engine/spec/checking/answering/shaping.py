"""Routes that shape a model's answer: checks of `instance`, `many` and `on_failure`."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from engine.diagnostics import Diagnostic
from engine.schema import TYPE_NAMES, InstanceSchema, Subschema
from engine.schema.relation import judge_condition
from engine.spec.checking.answering.refused_values import check_refused
from engine.spec.checking.answering.responses import check_references, check_response
from engine.spec.checking.schemas import has_form
from engine.spec.named_files import Home
from engine.spec.naming.model_names import ModelAnswer, answer_roots, lacking_roots, without_answer
from engine.spec.naming.names import Names
from engine.spec.reading.compose import walk_nodes
from engine.spec.reading.node import Node
from engine.spec.records import BATCH_KEY
from engine.spec.references import Reference, lone_reference, parse_template, references_in
from engine.text import did_you_mean, join_words

_OF_MODELS = ("instance", "many", "on_failure")
_OF_ITEMS = ("body", "result", "label", "probability")


def answer_names(route: Node, models: Node | None) -> dict[str, Any]:
    """Make the roots of the names of a route's model, as far as its entry says what they are."""
    name = route["model"].text
    if name is None:
        return dict(lacking_roots())
    if models is not None:
        name = _answering(name, models)
    output = models[name]["output"] if models is not None else route["nothing"]
    labels = [item.text for item in output["labels"].items if item.text is not None]
    is_there = models is not None and name in models
    return dict(
        answer_roots(
            ModelAnswer(
                name=name,
                labels=labels if "labels" in output else None,
                has_probabilities=bool(output["probabilities"].plain) or not is_there,
            )
        )
    )


def _answering(name: str, models: Node) -> str:
    """Return the model that answers in the place of a table, empty if tables ask each other in a circle."""
    seen: set[str] = set()
    while "table" in models[name]:
        seen.add(name)
        name = models[name]["model"].text or ""
        if name in seen:  # reported elsewhere
            return ""
    return name


def check_shape(route: Node, models: Node | None, names: Names, home: Home) -> Iterator[Diagnostic]:
    """Report every mistake in how a route shapes requests to a model, and its answers."""
    if "model" not in route:
        for key in _OF_MODELS:
            if key in route:
                yield route.key(key).error(f"{key} belongs to a route with a model; add model: NAME, or remove it")
        return
    yield from check_response(route["on_failure"]["response"], without_answer(names), home)
    yield from _check_failure(route)
    if "instance" in route:
        yield from _check_instance(route, models, without_answer(names))
    yield from _check_many(route)
    closed = route["query"]["additionalProperties"]
    if "instance" not in route and closed.plain is False and any(one.text == "GET" for one in route["methods"].items):
        message = "with GET, features are query parameters too and would be refused; remove additionalProperties"
        yield route["query"].key("additionalProperties").error(message)


def _check_failure(route: Node) -> Iterator[Diagnostic]:
    """Report an answer to a request of several items that refers to the body of one."""
    if not takes_many(route):
        return
    for _, node in walk_nodes(route["on_failure"]["response"]):
        used = _of_item(node)
        if used is not None and used.name.root == "body":
            message = "each item of a batch has a body of its own, and on_failure answers once"
            place = node.place_of(used.written)
            yield Diagnostic(place, f"{used.written}: {message}; add many: false to take one at a time")


def takes_many(route: Node) -> bool:
    """Whether a body may contain several items."""
    is_asked = route["many"].plain is not False and any(one.text != "GET" for one in route["methods"].items or [route])
    has_body = "instance" not in route or "input" in route
    return is_asked and has_body and BATCH_KEY not in route["input"]["properties"]


def _check_instance(route: Node, models: Node | None, names: Names) -> Iterator[Diagnostic]:
    instance, name = route["instance"], route["model"].text or ""
    schema = models[name]["input"].plain if models is not None and name in models else True
    declared = InstanceSchema(schema if has_form(schema) else True)
    if instance.fields is None or declared.form != "object":
        yield from _check_whole(instance, name, declared, names)
        return
    for key, key_node, value in instance.pairs():
        feature = declared.properties.get(key)
        if feature is None and declared.properties:
            known = did_you_mean(key, declared.properties, "its features are")
            yield key_node.error(f'"{key}" is not a feature of the model "{name}" {known}')
            continue
        is_needed = key in declared.required and (feature is None or feature.default is None)
        mistakes = list(_check_feature(key, value, feature or declared.part(True), names, is_needed=is_needed))
        yield from mistakes
        reference = _alone(value)
        if feature is not None and reference is not None and not mistakes:
            yield from check_refused(route, key, value, reference, feature, names)
    unknown = [key for key, _, _ in instance.pairs() if key not in declared.properties]
    for key in declared.required:
        is_lacking = key not in instance and key in declared.properties and declared.properties[key].default is None
        if is_lacking and not get_close_matches(key, unknown, n=1):  # a misspelt one is reported already
            yield route.key("instance").error(
                f'the model "{name}" requires "{key}", which the instance lacks; add it, as in {key}: "${{body.{key}}}"'
            )


def _check_whole(instance: Node, name: str, declared: InstanceSchema, names: Names) -> Iterator[Diagnostic]:
    """Check an instance that is not an object, or that one reference makes."""
    mistakes = [found for _, node in walk_nodes(instance) for found in check_references(node, names)]
    yield from mistakes
    reference = _alone(instance)
    if mistakes or not declared.types:
        return
    if reference is not None:
        for part in names.find(reference.name).parts:
            if (verdict := judge_condition(part, declared)).kind == "never":
                yield instance.error(f'"{reference.name}" can never be an instance of "{name}": {verdict.reason}')
                return
        return
    form = "object" if instance.fields is not None else "string" if instance.text is not None else "array"
    if form not in declared.types:
        wanted = join_words([TYPE_NAMES[one] for one in sorted(declared.types)], "or")
        yield instance.error(f'the model "{name}" takes {wanted}, and this instance is {TYPE_NAMES[form]}')


def _check_feature(key: str, value: Node, feature: Subschema, names: Names, *, is_needed: bool) -> Iterator[Diagnostic]:
    """Check what becomes one feature: a value of its own, or a reference to one that fits."""
    reference = _alone(value)
    if reference is None:
        yield from _check_made(key, value, feature, names)
        return
    if is_needed or reference.default is not None:
        mistakes = list(check_references(value, names))
        yield from mistakes
        if mistakes:
            return
    try:
        known = names.find(reference.name)
    except ValueError as error:
        yield Diagnostic(value.place_of(reference.written), value.hidden(str(error)))
        return
    if reference.default is not None:
        found = next(feature.validator.violations(names.default_of(reference, known)), None)
        if found is not None:
            yield value.error(f'the default of "{reference.name}" is not valid for the feature "{key}": {found.detail}')
            return
    for part in known.parts:
        verdict = judge_condition(part, feature)
        if verdict.kind == "never":
            yield value.error(f'"{reference.name}" can never be the feature "{key}": {verdict.reason}')
            return


def _check_made(key: str, value: Node, feature: Subschema, names: Names) -> Iterator[Diagnostic]:
    """Check what becomes a feature and is not one reference: a constant, or a text with references."""
    if foreign := list(_foreign(value, names)):
        yield from foreign
        return
    mistakes = [found for _, node in walk_nodes(value) for found in check_references(node, names)]
    yield from mistakes
    if not mistakes and not any("${" in (node.text or "") for _, node in walk_nodes(value)):
        for violation in feature.validator.violations(value.plain):
            yield value.error(f'this value is not valid for the feature "{key}": {violation.detail}')
    elif not mistakes and value.text is not None and "string" not in feature.types:
        yield value.error(f'the feature "{key}" is not a string; write one reference alone, which keeps its type')


def _foreign(value: Node, names: Names) -> Iterator[Diagnostic]:
    """Report a `{{…}}` in a feature, which would be a text that no client means."""
    if "{{" not in (value.text or ""):
        return
    from engine.spec.naming.notations import find_mustaches  # noqa: PLC0415 - few specs have such mistakes

    for fragment, meant in find_mustaches(value.text or "", names, is_page=False):
        yield value.error(f'"{fragment}" is not a reference; write "{meant or "${query.page}"}"')


def _alone(value: Node) -> Reference | None:
    """Return the reference that a string is, None if it is anything else."""
    try:
        return lone_reference(value.text)
    except ValueError:  # reported elsewhere
        return None


def _check_many(route: Node) -> Iterator[Diagnostic]:
    """Report a route whose answers cannot be put into one."""
    obstacle = _obstacle(route) if takes_many(route) else ""
    if not obstacle:
        return
    if "many" in route:
        yield route["many"].error(f"the answers for several items cannot be one answer: {obstacle}; set many: false")
    else:
        message = f"a body with several items could not be answered: {obstacle}; add many: false to take one at a time"
        yield route.key("model").error(message)


def _obstacle(route: Node) -> str:
    """Say why the answers of a route cannot be joined, empty if they can."""
    places = route["cases"].items or ([route] if {"response", "sequence"} & {*(route.fields or ())} else [])
    if any("sequence" in place for place in places):
        return "a sequence counts requests"
    responses = [place["response"] for place in places]
    for response in responses:
        if "json" not in response or {"html", "text", "file"} & {*(response.fields or ())}:
            return f"the response on line {response.place.line} is not JSON alone"
    if len({response["status"].plain or 200 for response in responses}) > 1:
        return "the cases have different statuses"
    headers = [response["headers"].plain or {} for response in responses]
    if any(one != headers[0] for one in headers):
        return "the cases have different headers"
    for response in responses:
        for _, node in walk_nodes(response["headers"]):
            if (used := _of_item(node)) is not None:
                return f"a header has {used.written}, which each item has of its own"
    return ""


def _of_item(node: Node) -> Reference | None:
    try:
        found = references_in(parse_template(node.text or ""))
    except ValueError:  # reported elsewhere
        return None
    return next((one for one in found if one.name.root in _OF_ITEMS), None)
