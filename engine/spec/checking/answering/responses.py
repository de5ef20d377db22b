"""A response in routes.yaml: checks beyond the grammar, and its record."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from engine.diagnostics import Diagnostic
from engine.errors import SpecError
from engine.spec.checking.grammar import grammar
from engine.spec.named_files import Home, normal_name
from engine.spec.naming.known import Known
from engine.spec.naming.names import Names
from engine.spec.reading.compose import walk_nodes
from engine.spec.reading.node import Node
from engine.spec.references import (
    LITERAL,
    Reference,
    ReferenceMistake,
    Template,
    parse_template,
    references_in,
    scan_template,
)
from engine.spec.response_records import DeclaredBody, DeclaredResponse
from engine.text import join_words

_BODILESS = (204, 205, 304)
_OUR_HEADERS = ("connection", "content-length", "date", "keep-alive", "server", "transfer-encoding", "upgrade")
_KNOWN_AT_START = ("content-type", "etag")
_PLACES = ("content-location", "location", "refresh")
# What a URI must begin with, before a reference, so that the reference can add no scheme and no host to it.
_HAS_HOST = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://[^/?#]+[/?#]|/(?![/\\])|[^/:?#\\]+([/?#]|\Z)|[?#])")
_MAX_CHOICES = 100
_BEFORE_URL = re.compile(r"\A\s*[0-9]*\s*[;,]\s*(url\s*=\s*)?[\"']?", re.IGNORECASE)  # in Refresh
_NEEDED = {  # by the status of an answer (RFC 9110, sections 10, 11, 14 and 15)
    **dict.fromkeys((301, 302, 303, 307, 308), ("Location", "tells the client where to go")),
    206: ("Content-Range", "tells which part this is"),
    401: ("WWW-Authenticate", "tells how to authenticate"),
    405: ("Allow", "lists the methods that are allowed"),
    407: ("Proxy-Authenticate", "tells how to authenticate"),
}


def check_response(response: Node, names: Names, home: Home | None) -> Iterator[Diagnostic]:
    """Report every mistake in a response; `names` are what it can refer to, and `home` has its files."""
    for node in _texts(response):
        yield from check_references(node, names)
    yield from _check_html(response if response.text is not None else response["html"], names)
    yield from check_headers(response["headers"])
    yield from _check_targets(response["headers"], names)
    yield from _lacking_headers(response)
    yield from _unescaped(response, names)
    status = response["status"].plain
    kinds = _kinds_of(response)
    if status in _BODILESS and kinds:
        yield response.key(kinds[0]).error(f"a response with status {status} has no body; remove {kinds[0]}")
    for name, key, _ in response["headers"].pairs() if len(kinds) > 1 else ():
        if name.lower() == "content-type":
            yield key.error(f"{name} cannot be the same for {join_words(kinds, 'and')}; remove it, each has its own")
    if home is not None:
        yield from _check_file(response["file"], home)


def read_response(node: Node, home: Home | None) -> DeclaredResponse:
    """Make a response's record from a document without mistakes; raise `SpecError` for a file that has vanished."""
    if node.text is not None:
        return DeclaredResponse(node=node, bodies=(DeclaredBody(node=node, kind="html", content=node.text),))
    return DeclaredResponse(
        node=node,
        status=int(node["status"].plain or 200),
        headers=read_headers(node["headers"]),
        bodies=tuple(
            DeclaredBody(node=node[kind], kind=kind, content=file_text(node[kind]), files=_read_files(node[kind], home))
            if kind == "file" and home is not None
            else DeclaredBody(node=node[kind], kind=kind, content=node[kind].plain)
            for kind in _kinds_of(node)
        ),
    )


def files_of(file: Node, home: Home) -> list[str]:
    """Return the names of the files that a response can send: one, or those that its references can name."""
    try:
        template = parse_template(file_text(file))
        return home.match(template) if references_in(template) else ["".join(map(str, template))]
    except ValueError:  # reported elsewhere
        return []


def file_text(file: Node) -> str:
    """Return the name of a file as it is written, but relative to the folder of the spec."""
    text, folder = file.text or "", file.source.folder
    if not folder:
        return text
    begin, reference, end = text.partition("${")
    head, _, tail = begin.rpartition("/")
    return f"{normal_name(head or '.', folder)}/{tail}{reference}{end}"


def response_nodes(route: Node) -> Iterator[Node]:
    """Yield the responses of a route, wherever they stand in it."""
    for place in (route, route["on_failure"], *route["cases"].items):
        yield place["response"]
        yield from (step["response"] for step in place["sequence"]["responses"].items)
    yield route["on_failure"]["response"]


def response_files(routes: Iterable[Node], home: Home) -> Iterator[str]:
    """Yield the names of all files that responses can send, and of the folders in which others may appear."""
    for route in routes:
        for response in response_nodes(route):
            if (file := response["file"]).text:
                found = files_of(file, home)
                yield from found
                yield from {str(PurePosixPath(name).parent) for name in found} if "${" in file.text else ()


def _read_files(file: Node, home: Home) -> Mapping[str, bytes]:
    try:
        return {name: home.read(name) for name in files_of(file, home)}
    except ValueError as error:
        raise SpecError([file.error(f"the file cannot be served: {error}")]) from None


def _check_file(file: Node, home: Home) -> Iterator[Diagnostic]:
    if not file.text:
        return
    try:
        template = parse_template(file_text(file))
        found = references_in(template)
        if not found:
            home.require("".join(map(str, parse_template(file.text))), file.source.folder)
        if found and not home.match(template):
            yield file.error(f'no file in the folder of the spec has a name of the form "{file.text}"')
    except ReferenceMistake:  # reported elsewhere
        return
    except ValueError as error:
        yield file.error(str(error))


def _texts(response: Node) -> Iterator[Node]:
    """Yield every string of a response that may contain references, keys of JSON objects too."""
    if response.text is not None:
        yield response
        return
    for key in ("text", "html", "file"):
        yield response[key]
    yield from (value for _, value in walk_nodes(response["headers"]))
    for _, value in walk_nodes(response["json"]):
        yield value
        yield from (key for _, key, _ in value.pairs())


def check_references(node: Node, names: Names) -> Iterator[Diagnostic]:
    """Report every reference in a string that cannot be read, names nothing, or may lack its value."""
    if node.text is None or "${" not in node.text:
        return
    for part in scan_template(node.text):
        try:
            if isinstance(part, ReferenceMistake):
                raise part
            if isinstance(part, Reference):
                names.require(part)
        except ReferenceMistake as mistake:
            yield Diagnostic(node.place_of(mistake.fragment), node.hidden(str(mistake)))
        except ValueError as error:
            advice = f"; {LITERAL}" if str(error).startswith("unknown name") else ""
            fragment = part.written if isinstance(part, Reference) else ""
            yield Diagnostic(node.place_of(fragment), node.hidden(f"{error}{advice}"))


def _check_html(html: Node, names: Names) -> Iterator[Diagnostic]:
    """Report the references at which escaping does not protect a page."""
    if html.text is None or "${" not in html.text:
        return
    try:
        template = parse_template(html.text)
    except ReferenceMistake:  # reported elsewhere
        return
    from engine.spec.checking.html_contexts import find_dangers  # noqa: PLC0415 - few pages have references

    dangers = find_dangers([part if isinstance(part, str) else None for part in template])
    for reference, danger in zip(references_in(template), dangers, strict=True):
        if danger is not None and not (danger.kind == "address" and _choices_of(reference, names) is not None):
            message = f"${{{reference.name}}} stands {danger.reason}"
            yield Diagnostic(html.place_of(reference.written), html.hidden(message))


def known_references(text: str | None, names: Names) -> Iterator[tuple[Reference, Known]]:
    """Yield the references of a text that are without mistakes, with what is known of their values."""
    try:
        template: Template = parse_template(text or "")
        for reference in references_in(template):
            yield reference, names.require(reference)
    except ValueError:  # reported elsewhere
        return


def _kinds_of(response: Node) -> list[str]:
    """Return the keys of a response's bodies, in the order of the grammar."""
    keys = grammar("routes")["$defs"]["response"]["properties"]
    return [name for name in keys if name in response and name not in ("status", "headers")]


def read_headers(headers: Node) -> tuple[tuple[str, str], ...]:
    """Return the names and values of headers without mistakes."""
    return tuple(
        (name, item.text if item.text is not None else item.written)
        for name, _, value in headers.pairs()
        for item in _values(value)
    )


def _check_targets(headers: Node, names: Names) -> Iterator[Diagnostic]:
    for name, _, value in headers.pairs():
        for item in _values(value) if name.lower() in _PLACES else ():
            yield from _check_target(name, item, names)


def check_headers(headers: Node) -> Iterator[Diagnostic]:
    """Return every mistake in the names and values of headers, apart from what they refer to."""
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


def _check_target(name: str, item: Node, names: Names) -> Iterator[Diagnostic]:
    """Report a reference in a `Location` that could lead a client to another host."""
    before = [""]  # what may be written before a part
    try:
        template = parse_template(item.text or "")
    except ReferenceMistake:  # reported elsewhere
        return
    for part in template:
        if isinstance(part, str):
            written = _BEFORE_URL.sub("", part) if name.lower() == "refresh" else part
            before = [one + written for one in before]
            continue
        choices = _choices_of(part, names)
        if choices is None and not all(map(_HAS_HOST.match, before)):
            message = (
                f"in {name}, {part.written} could lead to any other site; begin with a path, as in /{part.written}, "
                "or give the value a schema with an enum"
            )
            yield Diagnostic(item.place_of(part.written), item.hidden(message))
        before = ["/x"] if choices is None else [one + str(choice) for one in before for choice in choices]
        before = before[:_MAX_CHOICES]


def _choices_of(reference: Reference, names: Names) -> Sequence[Any] | None:
    try:
        return names.find(reference.name).choices
    except ValueError:  # reported elsewhere
        return []


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


def _unescaped(response: Node, names: Names) -> Iterator[Diagnostic]:
    """Warn of a client's values that are not escaped in a text of JSON or HTML."""
    types = (value.text or "" for name, _, value in response["headers"].pairs() if name.lower() == "content-type")
    media_type = next(types, "").partition(";")[0].strip().lower()
    kind = "json" if media_type.endswith(("/json", "+json")) else "html" if media_type == "text/html" else ""
    for reference, known in known_references(response["text"].text, names) if kind else ():
        if "string" in known.types and not known.is_choice:
            message = f"text sends ${{{reference.name}}} unescaped, which can break {media_type}; use {kind} instead"
            yield response.key("text").error(message, "warning")
            return


def _not_a_header_value(value: str) -> str:
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
        return "a header value cannot contain line breaks or other control characters"
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        return "a header value cannot contain characters outside Latin-1"
    return "a header value cannot begin or end with a space" if value != value.strip() else ""
