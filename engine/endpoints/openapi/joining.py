"""Join two operations of an OpenAPI document, for routes that it cannot distinguish: `/a/<int:id>` and `/a/<name>`.

The joined operation accepts the requests and has the responses of both. It requires nothing that is optional in one of
them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Part = Mapping[str, Any]


def join_operations(one: Part, other: Part, responses: Mapping[str, Part]) -> dict[str, Any]:
    """Join two operations; `responses` are the document's referenced responses, by name."""
    known: dict[str, Any] = {**one, "tags": list(dict.fromkeys((*one["tags"], *other["tags"])))}
    if parameters := _parameters(one.get("parameters", ()), other.get("parameters", ())):
        known["parameters"] = parameters
    bodies = [part["requestBody"] for part in (one, other) if "requestBody" in part]
    if bodies:
        required = len(bodies) > 1 and all(body["required"] for body in bodies)
        known["requestBody"] = {"required": required, "content": _content(bodies[0], bodies[-1])}
    known["responses"] = joined_answers(one["responses"], other["responses"], responses)
    if one.get("security") != other.get("security"):  # one of them needs no key
        known["security"] = [{}, *one.get("security", ()), *other.get("security", ())]
    return known


def joined_answers(one: Part, other: Part, responses: Mapping[str, Part]) -> dict[str, Any]:
    """Join the answers of two operations, by their statuses."""
    answers = {**other, **one}
    for status in one.keys() & other.keys():
        if one[status] != other[status]:
            answers[status] = _answer(_resolved(one[status], responses), _resolved(other[status], responses))
    return dict(sorted(answers.items()))


def _resolved(answer: Part, responses: Mapping[str, Part]) -> Part:
    return responses[answer["$ref"].rpartition("/")[2]] if "$ref" in answer else answer


def _parameters(one: Any, other: Any) -> list[dict[str, Any]]:
    """Join parameters by name; a parameter of only one operation is not required."""
    mine, others = ({(part["in"], part["name"]): part for part in parts} for parts in (one, other))
    both = mine.keys() & others.keys()
    return [
        {
            **part,
            "required": key in both and mine[key]["required"] and others[key]["required"],
            **({"schema": _either(mine[key]["schema"], others[key]["schema"])} if key in both else {}),
        }
        for key, part in {**mine, **others}.items()
    ]


def _answer(one: Part, other: Part) -> dict[str, Any]:
    answer = {key: value for key, value in one.items() if key not in ("content", "headers")}
    if headers := _headers(one.get("headers", {}), other.get("headers", {})):
        answer["headers"] = headers
    if content := _content(one, other):
        answer["content"] = content
    return answer


def _headers(one: Part, other: Part) -> dict[str, Any]:
    """Join the headers of two answers, by names of any case; none is required in OpenAPI."""
    mine = {name.lower() for name in one}
    return {**one, **{name: header for name, header in other.items() if name.lower() not in mine}}


def _content(one: Part, other: Part) -> dict[str, Any]:
    """Join the possible bodies, by media type; a body without a schema may have any value."""
    mine, others = one.get("content", {}), other.get("content", {})
    content = {**others, **mine}
    for media_type in mine.keys() & others.keys():
        first, second = mine[media_type], others[media_type]
        content[media_type] = {**second, **first}
        content[media_type].pop("schema", None)
        if "schema" in first and "schema" in second:
            content[media_type]["schema"] = _either(first["schema"], second["schema"])
    return content


def _either(one: Part, other: Part) -> Part:
    if one == other:
        return one
    branches = [branch for part in (one, other) for branch in (part["anyOf"] if part.keys() == {"anyOf"} else [part])]
    return {"anyOf": branches}
