"""routes.yaml beyond its grammar: what its values must mean together, and the records they become."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

from engine.errors import Diagnostic, SpecError, did_you_mean
from engine.spec.builtin import built_in_shapes, check_built_in
from engine.spec.compose import walk
from engine.spec.files import inside, read_inside
from engine.spec.guards import allowed_names, check_guards, key_names, read_auth, read_cors, read_rate, read_rates
from engine.spec.node import Node
from engine.spec.paths import path_parameters, rule_shape
from engine.spec.records import Limits, Response, Route, Schema, Service
from engine.spec.schemas import check_schema
from engine.spec.templates import TemplateError, parse_template
from engine.validation import show

_BODIES: tuple[Literal["text", "html", "json", "file"], ...] = ("text", "html", "json", "file")
_UNITS = {"B": 1, "KB": 1000, "KiB": 1024, "MB": 1000**2, "MiB": 1024**2, "GB": 1000**3, "GiB": 1024**3}
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_BODILESS = (204, 205, 304)
_BOUNDS = {
    "body": (1, 1024**3),
    "url": (64, 60_000),
    "headers": (8192, 1024**2),
    "body_rate": (0, 1024**3),
    "response_rate": (0, 1024**3),
}
_OUR_HEADERS = ("connection", "content-length", "date", "keep-alive", "server", "transfer-encoding", "upgrade")


def check_routes(root: Node, folder: Path, models_file: str | None, models: Node | None) -> Iterator[Diagnostic]:
    """Give every mistake of routes.yaml; `models` are those of the models' file, None where it is broken."""
    service = root["service"]
    yield from _check_limits(service["limits"])
    yield from check_built_in(service)
    yield from check_guards(root, folder)
    built_in = built_in_shapes(service)
    taken: dict[tuple[str, str], Node] = {}
    for route in root["routes"].items:
        path = route["path"]
        if path.text is not None:
            try:
                shape = rule_shape(path.text)
                if shape in built_in:
                    yield path.error(f'path "{path.plain}" {built_in[shape]}')
                yield from _conflicts(route, shape, taken)
            except ValueError as error:
                yield path.error(f'path "{path.text}": {error}')
        yield from _check_limits(route["limits"])
        yield from _check_model(route, models_file, models)
        yield from _check_input(route)
        yield from _idle_settings(route)
        yield from _check_response(route["response"], path_parameters(path.text or ""), folder)


def read_service(root: Node, folder: Path) -> Service:
    """Make the service's record."""
    node = root["service"]
    named = ("title", "version", "description", "errors", "proxies", "model_header")
    chosen = {key: node[key].plain for key in named if key in node}
    auth = read_auth(node["auth"], folder)
    return Service(
        node=node,
        limits=_limits(node["limits"], Limits(node=node)),
        auth=auth,
        allowed=key_names(auth) if auth is not None and auth.required else None,
        cors=read_cors(node["cors"], None),
        rate=read_rate(node["rate_limit"], None),
        rates=read_rates(node["rate_limit"]),
        **chosen,
    )


def read_routes(root: Node, folder: Path, service: Service) -> tuple[Route, ...]:
    """Make the routes' records from a document without mistakes; raise `SpecError` for a file that has vanished."""
    files: dict[str, bytes] = {}
    for route in root["routes"].items:
        file = route["response"]["file"]
        if file.text and file.text not in files:
            try:
                files[file.text] = read_inside(folder, file.text)
            except ValueError as error:
                raise SpecError([file.error(f"the file cannot be served: {error}")]) from None
    return tuple(_route(node, service, files) for node in root["routes"].items)


def _conflicts(route: Node, shape: str, taken: dict[tuple[str, str], Node]) -> Iterator[Diagnostic]:
    path = route["path"]
    for method in _methods(route):
        first = taken.setdefault((shape, method), path)
        if first is not path:
            yield path.error(
                f'path "{path.plain}" answers {method} a second time; '
                f'"{first.plain}" on line {first.place.line} matches the same URLs'
            )


def _methods(route: Node) -> tuple[str, ...]:
    named = route["methods"]
    if named.present:
        return tuple(dict.fromkeys(item.text for item in named.items if item.text is not None))
    return ("POST",) if "model" in route or "input" in route else ("GET",)


def _check_limits(limits: Node) -> Iterator[Diagnostic]:
    for name, (least, most) in _BOUNDS.items():
        size = limits[name]
        if size.text is not None and not least <= (_size(size.text) or least) <= most:
            yield size.error(f"{name}: from {least:,} to {most:,} bytes are taken")


def _check_model(route: Node, models_file: str | None, models: Node | None) -> Iterator[Diagnostic]:
    model = route["model"]
    if model.text is None:
        return
    if models_file is None:
        yield model.error(f'unknown model "{model.text}": there is no models.yaml beside this file')
    elif models is not None and model.text not in models:
        known = did_you_mean(model.text, models.fields or (), f"{models_file} has")
        yield model.error(f'unknown model "{model.text}" {known}')
    kind = models[model.text]["input"]["type"].plain if models is not None else None
    for method in route["methods"].items:
        if method.text == "GET" and kind not in (None, "object"):
            yield method.error(
                "GET takes the features of an object as query parameters, and the input of this model is of type "
                f"{show(kind)}; use POST"
            )


def _check_input(route: Node) -> Iterator[Diagnostic]:
    schema = route["input"]
    if not schema.present:
        return
    if "model" in route:
        yield route.key("input").error("a route with a model has no input of its own; the model's input holds")
    for method in route["methods"].items:
        if method.text == "GET":
            yield method.error("GET carries no body for the input to check; use POST, PUT, PATCH or DELETE")
    if schema.fields is not None:
        yield from check_schema(schema)


def _idle_settings(route: Node) -> Iterator[Diagnostic]:
    """Warn of what has no effect on a route."""
    if "strict_content_type" in route and not {"input", "model"} & set(route.fields or ()):
        message = "strict_content_type has no effect here: the route has no input and no model, and reads no body"
        yield route.key("strict_content_type").error(message, "warning")
    limits = route["limits"]
    for name, users in (("instances", {"model"}), ("concurrent", {"input", "model"})):
        if name in limits and not users & set(route.fields or ()):
            yield limits.key(name).error(f"{name} has no effect here: the route has no model", "warning")


def _check_response(response: Node, parameters: Iterable[str], folder: Path) -> Iterator[Diagnostic]:
    yield from _check_templates(response, parameters)
    for body in ("text", "html", "json"):
        yield from _check_templates(response[body], parameters)
    yield from _check_headers(response["headers"])
    status = response["status"].plain
    kind = next((name for name in _BODIES if name in response), None)
    if status in _BODILESS and kind:
        yield response.key(kind).error(f"an answer with status {status} has no body; leave {kind} out")
    file = response["file"]
    if file.text:
        try:
            inside(folder, file.text)
        except ValueError as error:
            yield file.error(str(error))


def _check_headers(headers: Node) -> Iterator[Diagnostic]:
    named: dict[str, str] = {}
    for name, key, value in headers.pairs():
        if (same := named.setdefault(name.lower(), name)) != name:
            yield key.error(f"{name} is the same header as {same}; to send it several times, give it a list")
        if name.lower() in _OUR_HEADERS:
            yield key.error(f"the server sets {name} itself; leave it out")
        for item in value.items or (value,):
            if isinstance(item.plain, str) and (reason := _not_a_header_value(item.plain)):
                yield item.error(f"{name}: {reason}")
            elif item.text is not None and "${path." in item.text:
                yield item.error(f"{name}: headers are sent as they are; nothing is filled in here", "warning")


def _check_templates(node: Node, parameters: Iterable[str]) -> Iterator[Diagnostic]:
    for _, value in walk(node):
        if value.text is not None and (value is node or node.text is None) and "${" in value.text:
            try:
                parse_template(value.text, parameters)
            except TemplateError as error:
                yield Diagnostic(value.place_of(error.fragment), value.hidden(str(error)))


def _not_a_header_value(value: str) -> str:
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
        return "a header's value has no line break and no other control character"
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        return "a header's value has no character outside Latin-1"
    return "a header's value has no space at its ends" if value != value.strip() else ""


def _size(text: str) -> int | None:
    """Read a size such as `512 KiB` in bytes; what is none is the grammar's to report."""
    match = re.fullmatch(r"([1-9][0-9]{0,9}) ?([KMG]?i?B)", text)
    return int(match[1]) * _UNITS[match[2]] if match and match[2] in _UNITS else None


def _seconds(text: str) -> float | None:
    """Read a duration such as `30s` in seconds; the grammar reports what is none."""
    match = re.fullmatch(r"([1-9][0-9]{0,5}) ?(ms|s|m|h)", text)
    return int(match[1]) * _SECONDS[match[2]] if match else None


def _limits(node: Node, default: Limits) -> Limits:
    chosen: dict[str, Any] = {name: _limit(name, limit) for name, _, limit in node.pairs()}
    return replace(default, node=node, **chosen)


def _limit(name: str, limit: Node) -> float:
    if name == "body_time":
        return _seconds(limit.text or "") or 0.0
    return int((_size(limit.text) if limit.text is not None else limit.plain) or 0)


def _route(node: Node, service: Service, files: Mapping[str, bytes]) -> Route:
    return Route(
        node=node,
        path=node["path"].plain,
        parameters=path_parameters(node["path"].plain),
        methods=_methods(node),
        response=_response(node["response"], files) if "response" in node else None,
        model=node["model"].plain,
        input=Schema(node=node["input"], document=node["input"].plain) if "input" in node else None,
        summary=node["summary"].plain or "",
        description=node["description"].plain or "",
        tags=tuple(node["tags"].plain or ()),
        limits=_limits(node["limits"], service.limits),
        allowed=allowed_names(node["auth"], service.auth, service.allowed),
        cors=read_cors(node["cors"], service.cors),
        rate=read_rate(node["rate_limit"], service.rate),
        strict_content_type=bool(node["strict_content_type"].plain),
    )


def _response(node: Node, files: Mapping[str, bytes]) -> Response:
    if node.text is not None:
        return Response(node=node, kind="html", content=node.text)
    kind = next((name for name in _BODIES if name in node), "empty")
    headers = [
        (name, item.text if item.text is not None else item.written)
        for name, _, value in node["headers"].pairs()
        for item in value.items or (value,)
    ]
    return Response(
        node=node,
        status=int(node["status"].plain or 200),
        headers=tuple(headers),
        kind=cast("Any", kind),
        content=node[kind].plain,
        data=files.get(node["file"].text or "", b""),
    )
