"""Groups of routes: what a route inherits from the groups around it, key by key."""

from __future__ import annotations

from typing import Any

import pytest

from engine.spec import grammar
from engine.spec.gathering.placed_routes import INHERITED, PlacedRoute, place_routes
from engine.spec.reading.compose import compose_document
from engine.spec.reading.source import Source


def placed(text: str) -> list[PlacedRoute]:
    return list(place_routes(compose_document(Source("f", text)).items, lambda _: ()))


def inherits(outer: Any, inner: Any, key: str = "limits") -> Any:
    """What a route with `inner` gets in a group with `outer`, as JSON."""
    own = "" if inner is None else f", {key}: {inner}"
    (route,) = placed(f"[{{{key}: {outer}, routes: [{{path: /{own}}}]}}]")
    return route.node[key].plain


def test_a_route_outside_of_groups_is_the_node_itself() -> None:
    (route,) = placed("[{path: /}]")
    assert route.node is route.written


def test_paths_are_joined_and_keep_the_place_of_the_route() -> None:
    (route,) = placed("[{prefix: /a, routes: [{routes: [{prefix: /b, routes: [{path: /c}]}]}]}]")
    path = route.node["path"]
    assert ("/a/b/c", "/c", ["/a", "/b"]) == (path.plain, path.written, [one.plain for one in route.prefixes])
    assert {"path": "/a/b/c"} == route.node.plain
    assert {"path": "/c"} == route.written.plain


@pytest.mark.parametrize("key", ["auth", "cors", "rate_limit", "strict_content_type"])
def test_an_inner_setting_replaces_an_outer_one(key: str) -> None:
    assert (1, False) == (inherits("1", None, key), inherits("1", "false", key))


def test_tags_are_joined_each_once_the_inner_ones_first() -> None:
    assert ["b", "c", "a"] == inherits("[a, b]", "[b, c]", "tags")


def test_limits_are_joined_by_their_names() -> None:
    assert {"url": 1, "body": 3} == inherits("{url: 1, body: 2}", "{body: 3}")


def test_headers_are_joined_by_their_names_in_any_case() -> None:
    assert {"X-A": 1, "x-b": []} == inherits("{X-A: 1, X-B: 2}", "{x-b: []}", "response_headers")


@pytest.mark.parametrize("key", ["query", "cookies", "path_parameters"])
def test_schemas_of_parameters_are_joined(key: str) -> None:
    outer = "{required: [a], properties: {a: {type: string}, b: {type: string}}, additionalProperties: false}"
    inner = "{required: [c], properties: {b: {type: integer}, c: true}}"
    expected = {
        "required": ["a", "c"],
        "properties": {"a": {"type": "string"}, "b": {"type": "integer"}, "c": True},
        "additionalProperties": False,
    }
    assert expected == inherits(outer, inner, key)


def test_schemas_of_header_parameters_are_joined_in_any_case() -> None:
    found = inherits("{properties: {X-A: 1, X-B: 2}}", "{properties: {x-a: 3}}", "headers")
    assert {"properties": {"X-B": 2, "x-a": 3}} == found


def test_a_header_is_required_in_the_spelling_of_its_property() -> None:
    """Otherwise a header that a group requires would not be declared, once a route spells it in another way."""
    found = inherits("{required: [X-A, X-B], properties: {X-A: 1, X-B: 2}}", "{properties: {x-a: 3}}", "headers")
    assert ["x-a", "X-B"] == found["required"]
    found = inherits("{required: [X-A], properties: {X-A: 1}}", "{required: [x-a], properties: {x-a: 3}}", "headers")
    assert ["x-a"] == found["required"]


def test_a_route_knows_its_groups() -> None:
    """Each place's faults replace those of the places around it, which only their reader can say."""
    (route,) = placed("[{delay: 1s, routes: [{prefix: /a, routes: [{path: /, fail: reset}]}]}]")
    assert [{"delay"}, {"prefix"}] == [set(group.plain) - {"routes"} for group in route.groups]
    assert {"path": "/a/", "fail": "reset"} == route.node.plain


@pytest.mark.parametrize("key", INHERITED)
def test_a_value_of_a_wrong_type_is_left_to_the_grammar(key: str) -> None:
    assert 5 == inherits("{a: 1}", "5", key)
    assert {"a": 1} == inherits("5", "{a: 1}", key)


def test_a_value_that_is_inherited_keeps_its_place() -> None:
    (route,) = placed("[{auth: [ci],\n tags: [x], routes: [{path: /, tags: [y]}]}]")
    places = [route.node["auth"].place, *(tag.place for tag in route.node["tags"].items)]
    assert [(1, 9), (2, 39), (2, 9)] == [(place.line, place.column) for place in places]


def test_every_setting_of_a_group_is_inherited() -> None:
    own = {"prefix", "routes", "delay", "fail", "for", "chance"}
    assert set() == set(grammar("routes")["$defs"]["group"]["properties"]) - own - set(INHERITED)


def test_groups_nest_as_deep_as_a_file_does() -> None:
    text = "[{path: /}]"
    for _ in range(90):
        text = f"[{{prefix: /a, routes: {text}}}]"
    (route,) = placed(text)
    assert "/a" * 90 + "/" == route.node["path"].plain
