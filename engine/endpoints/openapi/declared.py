"""The declared responses of routes in an OpenAPI document, with the exact types of what is filled in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from engine.endpoints.answering.responding import content_type, is_kept
from engine.endpoints.bodies import BODY_KINDS
from engine.endpoints.bodies.file_body import type_of_file
from engine.endpoints.openapi.joining import joined_answers
from engine.endpoints.problems import status_title
from engine.endpoints.shape_names import SCALAR_TYPES
from engine.schema import JSON_TYPES
from engine.spec import (
    Case,
    DeclaredBody,
    DeclaredResponse,
    Known,
    Names,
    Reference,
    cases_with_names,
    parse_template,
    references_in,
)

MAX_EXAMPLE = 2000


def declared_answers(cases: tuple[Case, ...], names: Names, method: str) -> dict[str, Any]:
    """Describe the answers of all cases to a method, by status."""
    answers: dict[str, Any] = {}
    for case, assumed in cases_with_names(cases, names):
        for response in case.responses:
            answers = _joined(answers, _answers_of(response, assumed, method))
    return answers


def join_items(answers: Mapping[str, Any]) -> dict[str, Any]:
    """Describe the answers of a route that takes several items too, whose answers are joined then."""
    joined = {}
    for status, answer in answers.items():
        content = dict(answer.get("content", {}))
        if (one := content.get("application/json", {}).get("schema")) is not None:
            predictions = {"type": "array", "minItems": 1, "items": one}
            several = {"type": "object", "required": ["predictions"], "properties": {"predictions": predictions}}
            content["application/json"] = {**content["application/json"], "schema": {"anyOf": [one, several]}}
        joined[status] = {**answer, **({"content": content} if content else {})}
    return joined


def _joined(known: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Join answers by their statuses, with an example of each body that is known."""
    joined = joined_answers(known, more, {})
    for status in known.keys() & more.keys():
        for media_type, content in joined[status].get("content", {}).items():
            shown = [*_shown(known[status], media_type), *_shown(more[status], media_type)]
            values = [value for number, value in enumerate(shown) if value not in shown[:number]]
            content.pop("example", None)
            if len(values) == 1:
                content["example"] = values[0]
            elif values:
                content["examples"] = {f"example-{number}": {"value": one} for number, one in enumerate(values, 1)}
    return joined


def _shown(answer: dict[str, Any], media_type: str) -> list[Any]:
    """Return the examples of one body of an answer."""
    content = answer.get("content", {}).get(media_type, {})
    examples = [one["value"] for one in content.get("examples", {}).values()]
    return [content["example"]] if "example" in content else examples


def schema_of_content(value: Any, names: Names) -> dict[str, Any]:
    """Describe a JSON value with references; a string that is one reference alone has the type of its value."""
    if isinstance(value, str):
        match parse_template(value):
            case (Reference() as reference,):
                return schema_of_known(names.find(reference.name))
        return {"type": "string"}
    if value is None:
        return {"type": "null"}
    if isinstance(value, Mapping):
        if any("${" in key for key in value):
            return {"type": "object"}
        fields = {key: schema_of_content(item, names) for key, item in value.items()}
        return {"type": "object", "required": list(fields), "properties": fields} if fields else {"type": "object"}
    if isinstance(value, list):
        kinds = [schema_of_content(item, names) for item in value]
        same = bool(kinds) and all(kind == kinds[0] for kind in kinds)
        return {"type": "array", "items": kinds[0]} if same else {"type": "array", "items": {}}
    return {"type": next(name for kind, name in SCALAR_TYPES if isinstance(value, kind))}


def schema_of_known(known: Known) -> dict[str, Any]:
    """Describe a value by its schemas; by its types alone if they refer to definitions elsewhere."""
    parts = [part.schema for part in known.parts if isinstance(part.schema, Mapping)]
    if '"$ref"' in json.dumps(parts) or '"$dynamicRef"' in json.dumps(parts):
        types = sorted(known.types)
        return {} if known.types == JSON_TYPES else {"type": types[0] if len(types) == 1 else types}
    without_default = [{key: value for key, value in part.items() if key != "default"} for part in parts]
    unique = [part for number, part in enumerate(without_default) if part not in without_default[:number] and part]
    return (dict(unique[0]) if len(unique) == 1 else {"allOf": unique}) if unique else {}


def _answers_of(declared: DeclaredResponse, names: Names, method: str) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": status_title(declared.status)}
    shown = {name: {"schema": {"type": "string"}} for name, _ in declared.headers}
    shown = {name: header for name, header in shown.items() if name.lower() != "content-type"}
    if is_kept(declared):
        shown.setdefault("ETag", {"schema": {"type": "string"}})
    if shown:
        answer["headers"] = shown
    if content := content_of(declared, names):
        answer["content"] = content
    answers = {str(declared.status): answer}
    if is_kept(declared) and method == "GET":
        answers.setdefault("304", {"description": "The client has the current file."})
    return answers


def content_of(declared: DeclaredResponse, names: Names) -> dict[str, Any]:
    """Describe the bodies of a response, by media type."""
    return {media_type: part for body in declared.bodies for media_type, part in _content(declared, body, names)}


def _content(declared: DeclaredResponse, body: DeclaredBody, names: Names) -> Iterator[tuple[str, dict[str, Any]]]:
    kind = BODY_KINDS[body.kind]
    if body.kind == "file" and len(body.files) > 1 and not _has_own_type(declared):
        yield from ((type_of_file(name).partition(";")[0], {}) for name in body.files)
        return
    content: dict[str, Any] = {}
    if kind.is_json:
        content["schema"] = schema_of_content(body.content, names)
    if kind.is_literal and not _is_filled(body.content) and _is_shown(body.content):
        content["example"] = body.content
    yield content_type(declared, body).partition(";")[0], content


def _has_own_type(declared: DeclaredResponse) -> bool:
    return any(name.lower() == "content-type" for name, _ in declared.headers)


def _is_filled(content: Any) -> bool:
    if isinstance(content, str):
        return bool(references_in(parse_template(content)))
    if isinstance(content, Mapping):
        return any(_is_filled(key) or _is_filled(item) for key, item in content.items())
    return isinstance(content, list) and any(map(_is_filled, content))


def _is_shown(value: Any) -> bool:
    """Return whether a body is worth showing as declared: short, and without a `$${` that stands for another text."""
    text = json.dumps(value)
    return len(text) <= MAX_EXAMPLE and "$${" not in text
