"""The tree of groups and included files → a flat list of routes, each with its whole path and what it inherits.

A setting that groups may have is one row of `INHERITED`, which says how an inner value and an outer one become one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from engine.spec.reading.node import Node

Fields = Mapping[str, tuple[Node, Node]]
Merge = Callable[[Node, Node], Node]
"""Makes one value of an outer and an inner one, whose items keep their places."""


@dataclass(frozen=True, slots=True, eq=False)
class PlacedRoute:
    """A route as it is `written`, and the `node` with its whole path and everything that it inherits.

    `groups` are those around it, from the outermost to the innermost.
    """

    written: Node
    node: Node
    groups: tuple[Node, ...] = ()

    @property
    def prefixes(self) -> tuple[Node, ...]:
        """The prefixes of the groups, as far as they have any."""
        return _prefixes(self.groups)


def place_routes(entries: Iterable[Node], included: Callable[[Node], Iterable[Node]]) -> Iterator[PlacedRoute]:
    """Yield every route below some entries; `included` returns the entries of the files that an entry includes."""
    open_lists: list[tuple[Iterator[Node], Fields, tuple[Node, ...]]] = [(iter(entries), {}, ())]
    while open_lists:
        rest, outer, groups = open_lists[-1]
        entry = next(rest, None)
        if entry is None:
            open_lists.pop()
        elif "include" in entry:
            open_lists.append((iter(included(entry)), outer, groups))
        elif "routes" in entry:
            open_lists.append((iter(entry["routes"].items), _inherit(outer, entry), (*groups, entry)))
        else:
            yield PlacedRoute(entry, _placed(entry, outer, _prefixes(groups)), groups)


def _prefixes(groups: tuple[Node, ...]) -> tuple[Node, ...]:
    return tuple(group["prefix"] for group in groups if group["prefix"].text is not None)


def _inherit(outer: Fields, group: Node) -> Fields:
    """Return what the routes of a group inherit."""
    own = {key: (name, value) for key, name, value in group.pairs() if key in INHERITED}
    return _merge(outer, own) if outer else own


def _placed(route: Node, outer: Fields, prefixes: tuple[Node, ...]) -> Node:
    """Return a route with its whole path and what it inherits; itself if that changes nothing."""
    if route.fields is None or not (outer or prefixes):
        return route
    fields = dict(_merge(outer, route.fields))
    name, path = route.key("path"), route["path"]
    if prefixes and path.text is not None:
        whole = "".join(prefix.text or "" for prefix in prefixes) + path.text
        fields["path"] = name, replace(path, plain=whole)
    return _mapping(route, fields)


def _merge(outer: Fields, inner: Fields) -> Fields:
    both = {key: (name, INHERITED[key](outer[key][1], value)) for key, (name, value) in inner.items() if key in outer}
    return {**outer, **inner, **both}


def take_inner(_: Node, inner: Node) -> Node:
    """Let the inner value replace the outer one."""
    return inner


def join_tags(outer: Node, inner: Node) -> Node:
    """Return the tags of both, each once; the inner ones come first, since the first one is the route's section."""
    return _joined_lists(inner, inner, outer)


def join_lists(outer: Node, inner: Node) -> Node:
    """Return the items of both, the outer ones first, each once."""
    return _joined_lists(inner, outer, inner)


def _joined_lists(inner: Node, first: Node, second: Node) -> Node:
    """Return the inner list with the items of both in an order; one that is no list is left to the grammar."""
    if not (isinstance(first.plain, list) and isinstance(second.plain, list)):
        return inner
    items = [*first.items, *(item for item in second.items if item.plain not in first.plain)]
    return replace(inner, items=items, plain=[item.plain for item in items], size=first.size + second.size)


def join_mappings(outer: Node, inner: Node) -> Node:
    """Return the entries of both; an inner one replaces the outer one of its name."""
    return _joined(outer, inner, str)


def join_headers(outer: Node, inner: Node) -> Node:
    """Return the headers of both; an inner one replaces the outer one of its name, in whatever case that is written."""
    return _joined(outer, inner, str.lower)


def join_parameters(outer: Node, inner: Node) -> Node:
    """Return the schema of the parameters of both; an inner parameter replaces the outer one of its name."""
    return _join_schemas(outer, inner, join_mappings)


def join_header_parameters(outer: Node, inner: Node) -> Node:
    """Return the schema of the header parameters of both; `required` has each header as the properties spell it."""
    joined = _join_schemas(outer, inner, join_headers)
    if joined.fields is None or not joined["required"].items:
        return joined
    spelt = {name.lower(): name for name, _, _ in joined["properties"].pairs()}
    items = [
        item if item.text is None else replace(item, plain=spelt.get(item.text.lower(), item.text))
        for item in joined["required"].items
    ]
    alone = [*{repr(item.plain): item for item in reversed(items)}.values()][::-1]
    required = replace(joined["required"], items=alone, plain=[item.plain for item in alone])
    return _mapping(joined, {**joined.fields, "required": (joined.key("required"), required)})


def _join_schemas(outer: Node, inner: Node, join_properties: Merge) -> Node:
    if outer.fields is None or inner.fields is None:
        return inner
    merges = {"properties": join_properties, "required": join_lists, "$defs": join_mappings}
    fields = {**outer.fields, **inner.fields}
    for key, merge in merges.items():
        if key in outer and key in inner:
            fields[key] = inner.key(key), merge(outer[key], inner[key])
    return _mapping(inner, fields)


def _joined(outer: Node, inner: Node, same: Callable[[str], str]) -> Node:
    if outer.fields is None or inner.fields is None:
        return inner
    replaced = {same(key) for key in inner.fields}
    kept = {key: pair for key, pair in outer.fields.items() if same(key) not in replaced}
    return _mapping(inner, {**kept, **inner.fields})


def _mapping(node: Node, fields: Fields) -> Node:
    """Return a mapping with other fields in the place of a node."""
    plain: Any = {key: value.plain for key, (_, value) in fields.items()}
    return replace(node, fields=fields, plain=plain, size=1 + sum(value.size for _, value in fields.values()))


INHERITED: Mapping[str, Merge] = {
    "auth": take_inner,
    "cookies": join_parameters,
    "cors": take_inner,
    "headers": join_header_parameters,
    "limits": join_mappings,
    "path_parameters": join_parameters,
    "query": join_parameters,
    "rate_limit": take_inner,
    "response_headers": join_headers,
    "strict_content_type": take_inner,
    "tags": join_tags,
}
