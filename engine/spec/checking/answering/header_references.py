"""References in headers with which a request could lead a client to another host, or set any cookie."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from engine.diagnostics import Diagnostic, Place
from engine.spec.checking.answering.declared_headers import values_of
from engine.spec.naming.names import Names
from engine.spec.reading.node import Node
from engine.spec.references import URI_HEADERS, Reference, ReferenceMistake, Template, parse_template

# What a URI must begin with, before a reference, so that the reference can add no scheme and no host to it.
_HAS_HOST = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://[^/?#]+[/?#]|/(?![/\\])|[^/:?#\\]+([/?#]|\Z)|[?#])")
_NAMED = re.compile(r"[^\s;=][^;=]*=[^;]*\Z")  # the name of a cookie or of an attribute, before its value
_OUTSIDE = "/"  # of any URI, where a reference leads nowhere
_MAX_CHOICES = 100
_BEFORE_URL = re.compile(r"\A\s*[0-9]*\s*[;,]\s*(url\s*=\s*)?[\"']?", re.IGNORECASE)  # in Refresh


def check_header_references(headers: Node, names: Names) -> Iterator[Diagnostic]:
    """Report every reference with which a request could make more of a header than a value."""
    for name, _, value in headers.pairs():
        if check := _CHECKS.get(name.lower()):
            for item in values_of(value):
                template = _template_of(item)
                for position, message in check(name, template, names):
                    yield Diagnostic(_place(item, template, position), item.hidden(message))


def _place(item: Node, template: Template, position: int) -> Place:
    """Return the place of one part of a header's value."""
    written = [part.written if isinstance(part, Reference) else "" for part in template]
    return item.place_of(written[position], written[:position].count(written[position]))


def _template_of(item: Node) -> Template:
    try:
        return parse_template(item.text or "")
    except ReferenceMistake:  # reported elsewhere
        return ()


def choices_of(reference: Reference, names: Names) -> Sequence[Any] | None:
    """Return the only values that a reference can have, None if there are others, or if it is a mistake."""
    try:
        return names.find(reference.name).choices
    except ValueError:  # reported elsewhere
        return []


def _check_uris(name: str, template: Template, names: Names) -> Iterator[tuple[int, str]]:
    """Yield the positions of references that could lead to another host."""
    before = [_OUTSIDE if name.lower() == "link" else ""]  # what may be written before a part
    for position, part in enumerate(template):
        if isinstance(part, str):
            before = _continue_uri(name.lower(), part, before)
            continue
        choices = choices_of(part, names)
        if choices is None and not all(map(_HAS_HOST.match, before)):
            message = (
                f"in {name}, {part.written} could lead to any other site; begin with a path, as in /{part.written}, "
                "or give the value a schema with an enum"
            )
            yield position, message
        before = ["/x"] if choices is None else [one + str(choice) for one in before for choice in choices]
        before = before[:_MAX_CHOICES]


def _continue_uri(name: str, text: str, before: list[str]) -> list[str]:
    """Return what may be written of a URI up to the end of a text."""
    if name == "refresh":
        text = _BEFORE_URL.sub("", text)
    begin, end = (text.rfind(sign) if name == "link" else -1 for sign in "<>")
    if begin > end:
        return [text[begin + 1 :].lstrip()]
    return [_OUTSIDE] if end >= 0 else [one + text for one in before]


def _check_cookie(name: str, template: Template, names: Names) -> Iterator[tuple[int, str]]:
    """Yield the positions of references that could be the name of a cookie or of an attribute."""
    is_value = False
    for position, part in enumerate(template):
        if isinstance(part, str):
            is_value = bool(_NAMED.search(part)) or (is_value and ";" not in part)
        elif not is_value and choices_of(part, names) is None:
            message = (
                f"in {name}, {part.written} could be the name of any cookie or attribute; write the name, as in "
                f"name={part.written}, or give the value a schema with an enum"
            )
            yield position, message


def _check_service(name: str, template: Template, names: Names) -> Iterator[tuple[int, str]]:
    """Yield the positions of references that could be another host."""
    for position, part in enumerate(template):
        if isinstance(part, Reference) and choices_of(part, names) is None:
            message = f"in {name}, {part.written} could lead to any other host; write it, or give the value an enum"
            yield position, message


_CHECKS: Mapping[str, Callable[[str, Template, Names], Iterator[tuple[int, str]]]] = {
    **dict.fromkeys((*URI_HEADERS, "link", "refresh"), _check_uris),
    "alt-svc": _check_service,
    "set-cookie": _check_cookie,
}
