"""A fixed response in routes.yaml: checks beyond the grammar, and its record."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from engine.diagnostics import Diagnostic
from engine.spec.checking.grammar import grammar
from engine.spec.named_files import Home, normal_name
from engine.spec.reading.compose import walk_nodes
from engine.spec.reading.node import Node
from engine.spec.records import FixedResponse
from engine.spec.templates import Parameter, SubstitutionError, parse_template
from engine.spec.url_rules import path_parameters, text_parameters

_BODILESS = (204, 205, 304)
_OUR_HEADERS = ("connection", "content-length", "date", "keep-alive", "server", "transfer-encoding", "upgrade")
_KNOWN_AT_START = ("content-type", "etag")
_NEEDED = {  # by the status of an answer (RFC 9110, sections 10, 11, 14 and 15)
    **dict.fromkeys((301, 302, 303, 307, 308), ("Location", "tells the client where to go")),
    206: ("Content-Range", "tells which part this is"),
    401: ("WWW-Authenticate", "tells how to authenticate"),
    405: ("Allow", "lists the methods that are allowed"),
    407: ("Proxy-Authenticate", "tells how to authenticate"),
}


def check_response(response: Node, path: str, home: Home) -> Iterator[Diagnostic]:
    """Report every mistake in a response of a route with this path."""
    yield from _check_templates(response, path_parameters(path))
    yield from check_headers(response["headers"])
    yield from _lacking_headers(response)
    yield from _unescaped(response, path)
    status = response["status"].plain
    kind = _kind_of(response)
    if status in _BODILESS and kind:
        yield response.key(kind).error(f"a response with status {status} has no body; remove {kind}")
    file = response["file"]
    if file.text:
        try:
            home.require(file.text, file.source.folder)
        except ValueError as error:
            yield file.error(str(error))


def read_response(node: Node, files: Mapping[str, bytes]) -> FixedResponse:
    """Make a response's record from a document without mistakes; `files` are the files' bytes by name."""
    if node.text is not None:
        return FixedResponse(node=node, kind="html", content=node.text)
    kind = _kind_of(node)
    return FixedResponse(
        node=node,
        status=int(node["status"].plain or 200),
        headers=read_headers(node["headers"]),
        kind=kind or "empty",
        content=node[kind].plain if kind else None,
        data=files.get(named_file(node["file"]), b""),
    )


def read_headers(headers: Node) -> tuple[tuple[str, str], ...]:
    """Return the names and values of headers without mistakes."""
    return tuple(
        (name, item.text if item.text is not None else item.written)
        for name, _, value in headers.pairs()
        for item in _values(value)
    )


def named_file(node: Node) -> str:
    """Return the normalized name of a file that is named in any file of the spec; empty for none."""
    return normal_name(node.text, node.source.folder) if node.text else ""


def _kind_of(response: Node) -> str | None:
    """Return the key of a response's body, None if it has none."""
    others = ("status", "headers")
    keys = grammar("routes")["$defs"]["response"]["properties"]
    return next((name for name in keys if name in response and name not in others), None)


def check_headers(headers: Node) -> Iterator[Diagnostic]:
    """Return every mistake in the names and values of headers."""
    named: dict[str, str] = {}
    for name, key, value in headers.pairs():
        if (same := named.setdefault(name.lower(), name)) != name:
            yield key.error(f"{name} is the same header as {same}; to send it several times, give it a list")
        if name.lower() in _OUR_HEADERS:
            yield key.error(f"the server sets {name} itself; leave it out")
        for item in _values(value):
            if isinstance(item.plain, str) and (reason := _not_a_header_value(item.plain)):
                yield item.error(f"{name}: {reason}")
            elif name.lower() in _KNOWN_AT_START and item.text is not None and "${" in item.text.replace("$${", ""):
                yield item.error(f"{name} cannot contain references: it is the same in every response of a route")


def _values(header: Node) -> Sequence[Node]:
    """Return the values of a header; an empty list has none."""
    return header.items if isinstance(header.plain, list) else (header,)


def _lacking_headers(response: Node) -> Iterator[Diagnostic]:
    """Warn of a status without the header that HTTP requires for it."""
    status = response["status"]
    name, does = _NEEDED.get(status.plain if isinstance(status.plain, int) else 0, ("", ""))
    sent = {header.lower() for header, _, value in response["headers"].pairs() if value.plain != []}
    if name and name.lower() not in sent:
        yield status.error(f"status {status.plain} without the header {name}, which {does}", "warning")


def _unescaped(response: Node, path: str) -> Iterator[Diagnostic]:
    """Warn of a client's values that are not escaped in a text of JSON or HTML."""
    text, names = response["text"].text or "", text_parameters(path)
    types = (value.text or "" for name, _, value in response["headers"].pairs() if name.lower() == "content-type")
    media_type = next(types, "").partition(";")[0].strip().lower()
    kind = "json" if media_type.endswith(("/json", "+json")) else "html" if media_type == "text/html" else ""
    try:
        parts = parse_template(text, path_parameters(path)) if kind and names else ()
    except SubstitutionError:  # reported elsewhere
        return
    for part in parts:
        if isinstance(part, Parameter) and part.name in names:
            message = f"text sends ${{path.{part.name}}} unescaped, which can break {media_type}; use {kind} instead"
            yield response.key("text").error(message, "warning")
            return


def _check_templates(node: Node, parameters: Iterable[str]) -> Iterator[Diagnostic]:
    for _, value in walk_nodes(node):
        if value.text is not None and (value is node or node.text is None) and "${" in value.text:
            try:
                parse_template(value.text, parameters)
            except SubstitutionError as error:
                yield Diagnostic(value.place_of(error.fragment), value.hidden(str(error)))


def _not_a_header_value(value: str) -> str:
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
        return "a header value cannot contain line breaks or other control characters"
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        return "a header value cannot contain characters outside Latin-1"
    return "a header value cannot begin or end with a space" if value != value.strip() else ""
