"""The prefixes of groups, and the whole paths that they make with those of routes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from engine.diagnostics import Diagnostic
from engine.spec.gathering.placed_routes import PlacedRoute
from engine.spec.reading.node import Node
from engine.spec.urls.url_rules import meant_rule, path_parameters, why_no_prefix

_AT_END = ", because the paths of its routes begin with one"


class UnsoundPrefix(ValueError):
    """A prefix above a route is wrong, which is reported there."""


def check_prefixes(routes: Iterable[PlacedRoute]) -> Iterator[Diagnostic]:
    """Return every mistake in the prefixes above some routes, each prefix once."""
    seen: set[Node] = set()
    for placed in routes:
        for number, prefix in enumerate(placed.prefixes):
            if prefix not in seen:
                seen.add(prefix)
                if why := _mistake(prefix, placed.prefixes[:number]):
                    yield prefix.error(f'prefix "{prefix.text}": {why}')
                yield from foreign_parameters(prefix, "prefix")


def require_whole_path(placed: PlacedRoute) -> None:
    """Raise `ValueError`, for the author, for a path that makes no sense behind its prefixes."""
    if any(_mistake(prefix, placed.prefixes[:number]) for number, prefix in enumerate(placed.prefixes)):
        raise UnsoundPrefix
    path = placed.written["path"]
    if placed.prefixes and path.text and not path.text.startswith("/"):
        raise ValueError(f'behind a prefix, a path must begin with "/" too; write /{path.text}')
    if why := _repeated(path, placed.prefixes):
        raise ValueError(why)


def foreign_parameters(path: Node, noun: str) -> Iterator[Diagnostic]:
    """Warn of path parameters in another framework's syntax, which are plain text here."""
    if (meant := meant_rule(path.text or "")) is not None:
        text, rule = meant
        message = f'{noun} "{path.plain}": "{text}" is not a path parameter but plain text; did you mean "{rule}"?'
        yield path.error(message, "warning")


def place_seen_from(node: Node, other: Node) -> str:
    """Say where another node is: its line, or also its file and why that is read."""
    place = other.place
    if other.source is node.source:
        return f"on line {place.line}"
    return ", ".join((f"at {place}", *place.via))


def _mistake(prefix: Node, outer: tuple[Node, ...]) -> str:
    """Say what is wrong with a prefix inside of others; empty if nothing is."""
    return why_no_prefix(prefix.text or "", _AT_END) or _repeated(prefix, outer)


def _repeated(path: Node, prefixes: tuple[Node, ...]) -> str:
    """Say which path parameter is also in one of the prefixes; empty if none is."""
    names = path_parameters(path.text or "") if prefixes else ()
    for prefix in prefixes if names else ():
        for name in path_parameters(prefix.text or ""):
            if name in names:
                where = place_seen_from(path, prefix)
                return f'the parameter "{name}" is in the prefix "{prefix.text}" {where} too; name each once'
    return ""
