"""The headers of a declared response: their checks, and their values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from engine.diagnostics import Diagnostic
from engine.spec.reading.node import Node

_OUR_HEADERS = ("connection", "content-length", "date", "keep-alive", "server", "transfer-encoding", "upgrade")
_KNOWN_AT_START = ("content-type", "etag")
_NEEDED = {  # by the status of an answer (RFC 9110, sections 10, 11, 14 and 15)
    **dict.fromkeys((301, 302, 303, 307, 308), ("Location", "says where to go")),
    206: ("Content-Range", "says which part this is"),
    401: ("WWW-Authenticate", "says how to authenticate"),
    405: ("Allow", "lists the methods that are allowed"),
    407: ("Proxy-Authenticate", "says how to authenticate"),
}


def read_headers(headers: Node) -> tuple[tuple[str, str], ...]:
    """Return the names and values of headers without mistakes."""
    return tuple(
        (name, item.text if item.text is not None else item.written)
        for name, _, value in headers.pairs()
        for item in values_of(value)
    )


def check_headers(headers: Node) -> Iterator[Diagnostic]:
    """Return every mistake in the names and values of headers, apart from what they refer to."""
    named: dict[str, str] = {}
    for name, key, value in headers.pairs():
        if (same := named.setdefault(name.lower(), name)) != name:
            yield key.error(f"{name} is the same header as {same}; to send it several times, give it a list")
        if name.lower() in _OUR_HEADERS:
            yield key.error(f"the server sets {name} itself; leave it out")
        for item in values_of(value):
            if isinstance(item.plain, str) and (reason := _not_a_header_value(item.plain)):
                yield item.error(f"{name}: {reason}")
            elif name.lower() in _KNOWN_AT_START and item.text is not None and "${" in item.text.replace("$${", ""):
                yield item.error(f"{name} cannot contain references: it is the same in every response of a route")


def values_of(header: Node) -> Sequence[Node]:
    """Return the values of a header; an empty list has none."""
    return header.items if isinstance(header.plain, list) else (header,)


def lacking_headers(response: Node) -> Iterator[Diagnostic]:
    """Warn of a status without the header that HTTP requires for it."""
    status = response["status"]
    name, does = _NEEDED.get(status.plain if isinstance(status.plain, int) else 0, ("", ""))
    sent = {header.lower() for header, _, value in response["headers"].pairs() if value.plain != []}
    sent |= {key.lower() for key, _, _ in response.pairs()}  # misplaced, which is reported elsewhere
    if name and name.lower() not in sent:
        yield status.error(
            f"status {status.plain} needs the header {name}, which {does}; add headers: {{{name}: …}}", "warning"
        )


def _not_a_header_value(value: str) -> str:
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
        return "a header value cannot contain line breaks or other control characters"
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        return "a header value cannot contain characters outside Latin-1"
    return "a header value cannot begin or end with a space" if value != value.strip() else ""
