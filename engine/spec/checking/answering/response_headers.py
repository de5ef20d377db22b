"""The headers that every answer of the service, of a group of routes or of a route has, unless it has its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from engine.diagnostics import Diagnostic
from engine.spec.checking.answering.declared_headers import check_headers, read_headers
from engine.spec.checking.guards import guard_that_sends
from engine.spec.gathering.placed_routes import PlacedRoute
from engine.spec.reading.node import Node
from engine.spec.references import Reference, parse_template, scan_template

_Headers = tuple[tuple[str, str], ...]

# Headers that are about one answer or its body, or that the engine makes for each request.
_OF_ONE_ANSWER = frozenset(
    "allow content-encoding content-location content-range content-type etag last-modified location "
    "proxy-authenticate ratelimit ratelimit-policy retry-after www-authenticate".split()
)
_OF_ONE_REQUEST = frozenset(("traceparent", "x-request-id"))


def check_response_headers(service: Node, routes: Iterable[PlacedRoute]) -> Iterator[Diagnostic]:
    """Return every mistake in the headers of the service, of groups and of routes."""
    of_all = service["response_headers"]
    yield from _check(of_all)
    yield from _sent_twice(of_all, service, service)
    checked: set[tuple[Node | None, Node | None]] = set()
    for placed in routes:
        route = placed.node
        headers, cors = map(_declared(route).get, ("response_headers", "cors"))
        if (headers, None) not in checked and headers is not None:
            yield from _check(headers)
        if (headers, cors) not in checked:
            checked |= {(headers, cors), (headers, None)}
            for several in (of_all, *filter(None, [headers])):
                yield from _sent_twice(several, route, service)


def _declared(route: Node) -> Mapping[str, Node]:
    return {key: value for key, _, value in route.pairs()}


def read_response_headers(node: Node, outer: _Headers) -> _Headers:
    """Return the headers of a node without mistakes, with those of the service that it does not replace."""
    own = tuple((name, "".join(map(str, parse_template(text)))) for name, text in read_headers(node))
    names = {name.lower() for name, _, _ in node.pairs()}
    return (*(pair for pair in outer if pair[0].lower() not in names), *own) if own or names else outer


def _check(headers: Node) -> Iterator[Diagnostic]:
    yield from check_headers(headers)
    for name, key, value in headers.pairs():
        if name.lower() in _OF_ONE_ANSWER:
            yield key.error(f"{name} depends on the answer; move it to the headers of the response that needs it")
        if name.lower() in _OF_ONE_REQUEST:
            yield key.error(f"the engine sends {name} itself where a request has an id; leave it out")
        for item in value.items or (value,):
            yield from _references(item, name)


def _references(item: Node, name: str) -> Iterator[Diagnostic]:
    """Report references: the headers are made once."""
    for part in scan_template(item.text or ""):
        if isinstance(part, str):
            continue
        fragment = part.written if isinstance(part, Reference) else part.fragment
        message = (
            f"{name} is the same in every answer, so it cannot contain the reference {fragment}; "
            "write $${ for a literal ${, or move it to the headers of a response"
        )
        yield Diagnostic(item.place_of(fragment), item.hidden(message))


def _sent_twice(headers: Node, settings: Node, service: Node) -> Iterator[Diagnostic]:
    for name, key, _ in headers.pairs():
        if guard := guard_that_sends(name, settings, service):
            yield key.error(f'{guard} already sends {name}; remove it, or set "{guard}: false" where it applies')
