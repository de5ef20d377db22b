"""Conditions under `when` whose schemas refer to files → conditions with whole schemas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from engine.spec.gathering.schema_places import mapping_with
from engine.spec.reading.node import Node

MakeWhole = Callable[[Node], Node]


def make_cases_whole(route: Node, make_whole: MakeWhole) -> Node:
    """Return a route whose cases have conditions with whole schemas; itself if that changes nothing."""
    cases = _with_items(route["cases"], lambda case: _with_field(case, "when", make_whole))
    return _with_value(route, "cases", cases)


def _with_field(case: Node, key: str, make_whole: MakeWhole) -> Node:
    return _with_value(case, key, _make_condition_whole(case[key], make_whole))


def _make_condition_whole(condition: Node, make_whole: MakeWhole) -> Node:
    """Return a condition with whole schemas, wherever they stand in it; itself if that changes nothing."""
    whole = condition
    for key, _, value in condition.pairs():
        match key:
            case "present" | "absent":
                made = value
            case "any" | "all":
                made = _with_items(value, lambda one: _make_condition_whole(one, make_whole))
            case "not":
                made = _make_condition_whole(value, make_whole)
            case _:
                made = value if value.fields is None else make_whole(value)
        whole = _with_value(whole, key, made)
    return whole


def _with_value(node: Node, key: str, value: Node) -> Node:
    """Return a mapping with another value of one of its keys; itself if it is the same."""
    if node.fields is None or key not in node.fields or value is node[key]:
        return node
    return mapping_with(node, {**node.fields, key: (node.key(key), value)})


def _with_items(node: Node, make: MakeWhole) -> Node:
    """Return a sequence whose items are made from its own; itself if that changes none."""
    items = [make(item) for item in node.items]
    if all(one is other for one, other in zip(items, node.items, strict=True)):
        return node
    return replace(node, items=items, plain=[item.plain for item in items], size=1 + sum(item.size for item in items))
