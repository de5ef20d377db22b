"""A response in routes.yaml: checks beyond the grammar, and its record."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator

from engine.diagnostics import Diagnostic
from engine.spec.checking.answering.declared_headers import (
    check_headers,
    lacking_headers,
    read_headers,
)
from engine.spec.checking.answering.header_references import check_header_references, choices_of
from engine.spec.checking.answering.response_files import check_file, file_text, read_files
from engine.spec.checking.grammar import grammar
from engine.spec.named_files import Home
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
    string_values,
)
from engine.spec.response_records import DeclaredBody, DeclaredResponse
from engine.text import join_words

_REFERENCE = re.compile(r"\$\{[^{}]*\}")
_BODILESS = (204, 205, 304)
_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+")


def check_response(response: Node, names: Names, home: Home | None) -> Iterator[Diagnostic]:
    """Report every mistake in a response; `names` are what it can refer to, and `home` has its files."""
    for node in _texts(response):
        yield from check_references(node, names)
        yield from _check_mustaches(node, names, is_page=node in (response, response["html"]))
    yield from _check_html(response if response.text is not None else response["html"], names)
    yield from check_headers(response["headers"])
    yield from check_header_references(response["headers"], names)
    yield from lacking_headers(response)
    yield from _unescaped(response, names)
    yield from _json_in_text(response)
    status = response["status"].plain
    kinds = _kinds_of(response)
    if status in _BODILESS and kinds:
        yield response.key(kinds[0]).error(f"a response with status {status} has no body; remove {kinds[0]}")
    for name, key, _ in response["headers"].pairs() if len(kinds) > 1 else ():
        if name.lower() == "content-type":
            yield key.error(f"{name} cannot be the same for {join_words(kinds, 'and')}; remove it, each has its own")
    if home is not None:
        yield from check_file(response["file"], home)


def read_response(node: Node, home: Home | None) -> DeclaredResponse:
    """Make a response's record from a document without mistakes; raise `SpecError` for a file that has vanished."""
    if node.text is not None:
        return DeclaredResponse(node=node, bodies=(DeclaredBody(node=node, kind="html", content=node.text),))
    return DeclaredResponse(
        node=node,
        status=int(node["status"].plain or 200),
        headers=read_headers(node["headers"]),
        bodies=tuple(
            DeclaredBody(node=node[kind], kind=kind, content=file_text(node[kind]), files=read_files(node[kind], home))
            if kind == "file" and home is not None
            else DeclaredBody(node=node[kind], kind=kind, content=node[kind].plain)
            for kind in _kinds_of(node)
        ),
    )


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
        if isinstance(part, str):
            continue
        fragment = part.fragment if isinstance(part, ReferenceMistake) else part.written
        try:
            if isinstance(part, ReferenceMistake):
                raise part
            if near := names.require(part).near:
                yield Diagnostic(node.place_of(fragment), f'"{part.name}" is not declared {near}', "warning")
        except ValueError as error:
            message = _of_notation(fragment, names) or str(error)
            advice = f"; {LITERAL}" if message.startswith("unknown name") else ""
            yield Diagnostic(node.place_of(fragment), node.hidden(f"{message}{advice}"))


def _of_notation(fragment: str, names: Names) -> str:
    """Explain a reference in the notation of another tool; empty if it is in none."""
    from engine.spec.naming.notations import explain_notation  # noqa: PLC0415 - few specs have such mistakes

    return explain_notation(fragment, names)


def _check_mustaches(node: Node, names: Names, *, is_page: bool) -> Iterator[Diagnostic]:
    """Warn of `{{…}}`, the references of other tools, which a page may have for itself, too."""
    if node.text is None or "{{" not in node.text:
        return
    from engine.spec.naming.notations import find_mustaches  # noqa: PLC0415 - few responses have them

    for fragment, meant in find_mustaches(node.text, names, is_page=is_page):
        advice = f'for the value, write "{meant}"' if meant else "a reference is a name, as in ${query.page}"
        message = f'"{fragment}" is sent as it is; {advice}'
        yield Diagnostic(node.place_of(fragment), node.hidden(message), "warning")


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
    seen = Counter[str]()
    for reference, danger in zip(references_in(template), dangers, strict=True):
        number, seen[reference.written] = seen[reference.written], seen[reference.written] + 1
        if danger is not None and not (danger.kind == "address" and choices_of(reference, names) is not None):
            message = f"${{{reference.name}}} stands {danger.reason}"
            yield Diagnostic(html.place_of(reference.written, number), html.hidden(message))


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


def _unescaped(response: Node, names: Names) -> Iterator[Diagnostic]:
    """Report a client's values that are not escaped in a body that its Content-Type makes JSON or a page."""
    types = (value.text or "" for name, _, value in response["headers"].pairs() if name.lower() == "content-type")
    media_type = next(types, "").partition(";")[0].strip().lower()
    kind = _escaping_kind(media_type)
    sent = {"text": [response["text"].text or ""], "json": string_values(response["json"].plain)}
    for key, texts in sent.items() if kind else ():
        known = (found for text in texts for found in known_references(text, names)) if key != kind else ()
        reference = next((one for one, of in known if "string" in of.types and not of.is_choice), None)
        if reference is not None:
            message = f"{key} sends ${{{reference.name}}} unescaped, which can break {media_type}; use {kind} instead"
            yield response.key(key).error(message)


def _escaping_kind(media_type: str) -> str:
    """Return the kind of body that escapes values for a type; empty for a type in which no value is code."""
    if media_type.endswith(("/json", "+json")):
        return "json"
    is_page = media_type.endswith(("/html", "/xml", "+xml")) or (media_type and not _MEDIA_TYPE.fullmatch(media_type))
    return "html" if is_page else ""  # of what is no type, browsers guess one


def _json_in_text(response: Node) -> Iterator[Diagnostic]:
    """Warn of a JSON object or array in a text, which is sent as a string, or as a page."""
    sent = {"json": "a string", "html": "HTML"}
    found = [(response, "HTML")] if response.text is not None else [(response[key], sent[key]) for key in sent]
    for node, kind in found:
        if node.text is not None and node.text.strip()[:1] in ("{", "[") and _is_json(node.text):
            message = f"this is JSON in a text, and is sent as {kind}; write it as YAML, without the quotes"
            yield node.error(f"{message}: json: {{…}}" if kind == "HTML" else message, "warning")


def _is_json(text: str) -> bool:
    try:
        json.loads(_REFERENCE.sub("0", text))
    except (ValueError, RecursionError):
        return False
    return True
