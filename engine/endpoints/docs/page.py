"""The docs page out of a spec and its OpenAPI document; complete, and readable where no script runs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote, urlencode

import jinja2

from engine.endpoints.answers import description_of
from engine.endpoints.docs.fields import ABSENT, Field, body_fields, body_of, dump, path_fields
from engine.endpoints.openapi import ENGINE_TAG, KEY_HEADER, summary_of, tags_of, without_features
from engine.endpoints.predict import BATCH_KEY
from engine.endpoints.problems import title
from engine.jsonschemas import without_properties
from engine.models import Facts
from engine.spec import Route, Spec, below, path_template

_TIME = "a date or time, such as 2024-01-31 or 2024-01-31T12:00:00Z"
_SAFE = "/!'()*~"  # what JavaScript's encodeURIComponent leaves as it is, and slashes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a route may answer."""

    status: str
    name: str
    means: str
    media_types: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What the page shows of one route; `key` names the header of its API key, if it wants one."""

    id: str
    route: Route
    path: str
    tag: str
    summary: str
    description: str
    fields: tuple[Field, ...]
    answers: tuple[Answer, ...]
    key: str
    curl: str

    @property
    def opens_by_link(self) -> bool:
        """Whether a form can ask it without a script, and a link too; neither sends a key."""
        return "GET" in self.route.methods and not self.route.parameters and not self.key

    @property
    def takes_batches(self) -> bool:
        """Whether several instances can be sent at once."""
        return self.route.model is not None and all(field.name != BATCH_KEY for field in self.fields)


def write_page(path: str, spec: Spec, document: Mapping[str, Any], models: Mapping[str, Facts]) -> bytes:
    """Write the page that stands at `path`."""
    cards = tuple(_cards(spec, document, models))
    tags = dict.fromkeys(sorted((card.tag for card in cards), key=lambda tag: tag == ENGINE_TAG))
    openapi = next((route.path for route in spec.built_in if route.built_in == "openapi"), "")
    return _render(
        "page.html",
        path=path,
        service=spec.service,
        sections=[(tag, [card for card in cards if card.tag == tag]) for tag in tags],
        wants_key=any(card.key for card in cards),
        below="./" + "".join(f"{quote(end, safe='')}/" for end in path.split("/")[-1:] if end),
        root=_root(path),
        openapi=_link(openapi) if openapi else "",
        batch_key=BATCH_KEY,
        engine_tag=ENGINE_TAG,
    )


def write_reference(path: str, spec: Spec) -> bytes:
    """Write the page around Swagger UI that stands at `path`, below the docs' own."""
    docs = next(route.path for route in spec.built_in if path == below(route.path, "reference"))
    return _render("reference.html", service=spec.service, root=_root(path), docs=_link(docs))


def _render(name: str, **values: Any) -> bytes:
    return _templates().get_template(name).render(values).encode()


@cache
def _templates() -> jinja2.Environment:
    def load(name: str) -> str:
        return files(__package__).joinpath(name).read_text("utf-8")

    templates = jinja2.Environment(
        loader=jinja2.FunctionLoader(load),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters.update(dump=dump, link=_link)
    return templates


def _root(path: str) -> str:
    """Lead from a page to where the service begins, also behind a proxy that puts a prefix before it."""
    return "./" + "../" * (path.count("/") - 1)


def _link(path: str) -> str:
    """Write a path as a URL that is relative to where the service begins."""
    return quote(path.lstrip("/"), safe=_SAFE)


def _cards(spec: Spec, document: Mapping[str, Any], models: Mapping[str, Facts]) -> Iterator[Card]:
    items = {_shape(template): item for template, item in document["paths"].items()}
    taken: set[str] = set()
    for number, route in enumerate((*spec.routes, *spec.built_in)):
        item = items[_shape(path_template(route.path))]
        operations = [item[method.lower()] for method in route.methods]
        name = operations[0]["operationId"].replace("_", "-")
        name = f"{name}-{number}" if name in taken else name
        taken.add(name)
        fields = (*path_fields(route, _features(route, spec)), *_body_fields(route, spec))
        key = KEY_HEADER if route.allowed is not None else ""
        yield Card(
            id=name,
            route=route,
            path=path_template(route.path),
            tag=tags_of(route)[0],
            summary=summary_of(route) if route.model or route.built_in else route.summary,
            description=description_of(route, spec, models),
            fields=fields,
            answers=tuple(_answers(operations, document)),
            key=key,
            curl=curl(route, fields, key),
        )


def _shape(template: str) -> str:
    """Give what is equal for paths that OpenAPI cannot tell apart."""
    return re.sub(r"\{[^}]*\}", "{}", template)


def _features(route: Route, spec: Spec) -> Mapping[str, Any]:
    """Return the features of a model's first example, by name."""
    model = spec.models[route.model] if route.model is not None else None
    example = model.examples[0].input if model is not None and model.examples else {}
    return example if isinstance(example, Mapping) else {}


def _body_fields(route: Route, spec: Spec) -> tuple[Field, ...]:
    if route.model is not None:
        model = spec.models[route.model]
        example = without_features(model.examples[0].input, route) if model.examples else ABSENT
        fields = body_fields(without_properties(model.input.document, route.parameters), example)
        times = {name for name, dtype in model.dtypes.items() if dtype.startswith("datetime")}
        return tuple(_as_time(one) if one.name in times else one for one in fields)
    return () if route.input is None else body_fields(route.input.document)


def _as_time(field: Field) -> Field:
    """Say how a time is written, which a schema of type string does not tell."""
    return replace(field, about=" · ".join(filter(None, (field.about, _TIME))))


def _answers(operations: list[dict[str, Any]], document: Mapping[str, Any]) -> Iterator[Answer]:
    found = {status: answer for one in operations for status, answer in one["responses"].items()}
    shared = document["components"].get("responses", {})
    for status, answer in sorted(found.items()):
        told = shared[answer["$ref"].rpartition("/")[2]] if "$ref" in answer else answer
        means = told["description"]
        name = title(int(status))
        means = "" if means == name else means
        yield Answer(status=status, name=name, means=means, media_types=tuple(told.get("content", ())))


def curl(route: Route, fields: tuple[Field, ...], key: str) -> str:
    """Write the command that sends the fields as they are at first, to the service at `$SERVICE`."""
    method = route.methods[0]
    values = {field.name: field.text for field in fields if field.role == "path"}
    path = path_template(route.path)
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", value)
    path, body = quote(path, safe=_SAFE), body_of(fields)
    if method == "GET" and body is not None:
        members = [field for field in fields if field.role == "member"]
        path += "?" + urlencode([(field.name, field.query) for field in members if field.query is not None], safe="*")
        body = None
    lines = [f'"$SERVICE"{shlex.quote(path)}']
    if key:
        lines.append(f'-H "{key}: $API_KEY"')
    if body is not None:
        lines += ["-H 'Content-Type: application/json'", f"--data-raw {shlex.quote(body)}"]
    named = "" if method == ("GET" if body is None else "POST") else f"-X {method} "
    return f"curl {named}" + " \\\n  ".join(lines)
