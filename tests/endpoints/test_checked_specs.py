"""Whatever spec of a family `check` passes, no request to it gets 500, and no value that is absent gets into an answer.

Each example is a number, from which a spec and many requests are made up: parameters and bodies of all kinds,
references with and without defaults, and conditions.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlencode

import flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from werkzeug.test import TestResponse

from engine import SpecError, create_app

SETTINGS = settings(
    max_examples=max(10, int(os.environ.get("ENGINE_EXAMPLES", "100")) // 4),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
KEYS = ["a", "b", "c", "0"]
SCALARS: list[Any] = [
    {"type": "integer"},
    {"type": "integer", "minimum": 0, "maximum": 5},
    {"type": "number"},
    {"type": "boolean"},
    {"type": "string"},
    {"type": "string", "minLength": 1, "maxLength": 3},
    {"type": ["integer", "null"]},
    {"type": ["string", "null"]},
    {"enum": ["a", "b", 1, None, True]},
    {"const": "a"},
    {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": "^a"}]},
    {},
]
VALUES: list[Any] = [None, True, False, 0, 1, 3, -7, 10**30, 2.5, "", "a", "abc", "é", [], ["a"], [1, 2], {}, {"a": 1}]
WANTED: list[Any] = [
    1,
    "a",
    None,
    True,
    {"type": "integer"},
    {"minimum": 1},
    {"required": ["b"]},
    {"enum": ["a", 1]},
    {},
]


class Family:
    """Makes up a spec and its requests out of one source of chance."""

    def __init__(self, number: int) -> None:
        self.chance = Random(number)

    def one(self, *options: Any) -> Any:
        return self.chance.choice(options)

    def some(self, options: Any, most: int) -> list[Any]:
        options = sorted(options)
        return self.chance.sample(options, self.chance.randint(0, min(most, len(options))))

    def feature(self, depth: int) -> Any:
        """Make up the schema of one value."""
        kind = self.one(*["scalar"] * 3, "array", *["object", "object", "combined"] * (depth > 0))
        if kind == "scalar":
            schema = dict(self.one(*SCALARS))
        elif kind == "array":
            schema = {"type": "array", "items": self.feature(depth - 1) if depth else dict(self.one(*SCALARS))}
            schema |= {"minItems": self.chance.randint(0, 2)} if self.chance.random() < 0.5 else {}
        elif kind == "object":
            schema = self.object(depth - 1)
        else:
            schema = {self.one("anyOf", "allOf", "oneOf"): [self.feature(depth - 1), dict(self.one(*SCALARS))]}
        fitting = [value for value in VALUES if Draft202012Validator(schema).is_valid(value)]
        if fitting and self.chance.random() < 0.2:
            schema["default"] = self.one(*fitting)
        return schema

    def object(self, depth: int) -> Any:
        properties = {key: self.feature(max(depth, 0)) for key in self.chance.sample(KEYS, self.chance.randint(1, 3))}
        schema: dict[str, Any] = {"type": self.one("object", "object", ["object", "null"]), "properties": properties}
        schema["required"] = self.some(properties, 3)
        if self.chance.random() < 0.25:
            schema["additionalProperties"] = self.one(False, {"type": "integer"})
        return schema

    def parameters(self) -> Any:
        properties = {key: self.feature(0) for key in self.chance.sample(KEYS, self.chance.randint(1, 3))}
        return {"properties": properties, "required": self.some(properties, 1)}

    def route(self, number: int) -> dict[str, Any]:
        declared: dict[str, Any] = {
            key: self.parameters() for key in ("query", "headers", "cookies") if self.chance.random() < 0.6
        }
        declared["input"] = {**self.object(2), "type": "object"} if self.chance.random() < 0.8 else self.feature(2)
        declared["accepts"] = self.one(*[["json"]] * 4, ["json", "form"], ["multipart", "json"], ["form"])
        names = [*names_of(declared), "path.id", "method", "url", self.one("body.c.a", "query.a", "body.a.b")]
        route = {"path": f"/{number}/<id>", **declared}
        if self.chance.random() < 0.5:
            return {**route, "response": self.response(names)}
        cases: list[Any] = [
            {"when": self.condition(names, 2), "response": self.response(names)} for _ in range(self.one(1, 2))
        ]
        return {**route, "cases": [*cases, {"response": self.response(names)}]}

    def condition(self, names: list[str], depth: int) -> Any:
        kind = self.one("match", "match", "present", "absent", *["any", "all", "not"] * (depth > 0))
        if kind == "match":
            return {self.one(*names): self.one(*WANTED)}
        if kind in ("present", "absent"):
            return {kind: self.one(self.one(*names), [self.one(*names), self.one(*names)])}
        if kind == "not":
            return {"not": self.condition(names, depth - 1)}
        return {kind: [self.condition(names, depth - 1) for _ in range(self.one(1, 2))]}

    def response(self, names: list[str]) -> Any:
        default = self.one("", "", ":-1", ":-a", ":-", ":-true", ":-null")
        reference = f"${{{self.one(*names)}{default}}}"
        return self.one(
            {"json": [reference, f"is {reference}"]},
            {"json": {reference: {"deep": reference}}},
            {"text": reference},
            {"html": f"<p>{reference}</p>"},
            {"headers": {"X-A": reference}, "json": {}, "text": reference},
            {"status": 302, "headers": {"Location": f"/x/{reference}"}},
        )

    def value(self, schema: Any) -> Any:
        """Make up a value that a schema often allows."""
        if not isinstance(schema, dict) or self.chance.random() < 0.05:
            return self.one(*VALUES)
        for keyword in ("anyOf", "allOf", "oneOf"):
            if keyword in schema:
                return self.value(self.one(*schema[keyword]))
        if "properties" in schema:
            optional = [key for key in schema["properties"] if self.chance.random() < 0.6]
            made = {key: self.value(schema["properties"][key]) for key in {*schema["required"], *optional}}
            if self.chance.random() < 0.2:
                made[self.one(*KEYS)] = self.one(*VALUES)
            return made
        if schema.get("type") == "array":
            least = schema.get("minItems", 0)
            return [self.value(schema["items"]) for _ in range(self.chance.randint(least, least + 2))]
        return self.one(*[value for value in VALUES if Draft202012Validator(schema).is_valid(value)])

    def pairs(self, schema: Any) -> list[tuple[str, str]]:
        """Make up parameters, as texts by name."""
        made = self.value({"required": [], **(schema or {"properties": {}})})
        if not isinstance(made, dict):
            return []
        several = {key: value if isinstance(value, list) else [value] for key, value in made.items()}
        return [(key, as_text(item)) for key, values in several.items() for item in values]

    def request(self, route: dict[str, Any]) -> dict[str, Any]:
        body = self.value(route["input"])
        made: dict[str, Any] = {"data": json.dumps(body).encode(), "content_type": "application/json"}
        if "form" in route["accepts"] and self.chance.random() < 0.7:
            made = {"data": urlencode(self.pairs(route["input"])), "content_type": "application/x-www-form-urlencoded"}
        headers = [(key, text.encode().decode("latin-1")) for key, text in self.pairs(route.get("headers"))]
        cookies = "; ".join(f"{key}={text}" for key, text in self.pairs(route.get("cookies")) if text.isascii())
        made["headers"] = [*headers, ("Cookie", cookies)] if cookies else headers
        made["query_string"] = urlencode(self.pairs(route.get("query")))
        made["path"] = route["path"].replace("<id>", self.one("7", "a b", "é", "..."))
        return made


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def names_of(declared: dict[str, Any]) -> Iterator[str]:
    for key in ("query", "headers", "cookies"):
        yield from (f"{key}.{name}" for name in declared.get(key, {}).get("properties", ()))
    yield from names_in("body", declared["input"], 3)


def names_in(name: str, schema: Any, depth: int) -> Iterator[str]:
    yield name
    for key, part in schema.get("properties", {}).items() if depth else ():
        yield from names_in(f"{name}.{key}", part, depth - 1)
    if "items" in schema and depth:
        yield from names_in(f"{name}.{depth % 2}", schema["items"], depth - 1)


def build(folder: Path, routes: list[dict[str, Any]]) -> tuple[flask.Flask | None, list[dict[str, Any]]]:
    """Build an app of those routes that `check` passes."""
    while routes:
        lines = "\n".join(f"- {json.dumps(route)}" for route in routes)
        (folder / "routes.yaml").write_text(f"routes:\n{lines}\n")
        try:
            return create_app(folder / "routes.yaml"), routes
        except SpecError as error:
            wrong = {found.place.line - 2 for found in error.diagnostics if found.severity == "error"}
            routes = [route for number, route in enumerate(routes) if number not in wrong]
    return None, []


def answers(number: int, folder: Path) -> Iterator[tuple[Any, Any, TestResponse]]:
    """Yield some requests to a spec of the family, each with its route and its answer."""
    family = Family(number)
    app, routes = build(folder, [family.route(place) for place in range(8)])
    for route in routes if app is not None else ():
        for request in (family.request(route) for _ in range(8)):
            yield route, request, app.test_client(use_cookies=False).post(**request)


@SETTINGS
@given(number=st.integers(0, 2**32))
def test_what_check_passes_never_answers_500(number: int, tmp_path: Path) -> None:
    for route, request, answer in answers(number, tmp_path):
        assert answer.status_code < 500, (number, route, request)
        assert "object object" not in answer.text + str(answer.headers), (number, route, request)


def test_the_family_is_answered_in_all_ways(tmp_path: Path) -> None:
    statuses = {answer.status_code for number in range(8) for _, _, answer in answers(number, tmp_path)}
    assert {200, 302, 415, 422} <= statuses
