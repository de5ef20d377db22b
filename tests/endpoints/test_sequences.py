"""Counts by key, the turns of a sequence, and what the document and the docs page say of it."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import flask
import pytest

from engine.endpoints import Problem, Request
from engine.endpoints.answering.counters import MOST_KEYS, KeyCounts, SharedCounts
from engine.endpoints.fixed import Means, build_declared
from engine.errors import Overloaded
from engine.spec import load_spec

App = Callable[..., flask.Flask]


def counts(most: int = MOST_KEYS) -> tuple[KeyCounts, list[None]]:
    forgotten: list[None] = []
    return KeyCounts(lambda: forgotten.append(None), most), forgotten


def test_each_key_is_counted_by_itself() -> None:
    counted, forgotten = counts()
    keys = [b"a", b"b", b"a", b"x" * 5000, b"a", b"x" * 5000, b"x" * 5001]
    assert [0, 0, 1, 0, 2, 1, 0] == [counted.next(key) for key in keys]
    assert [] == forgotten


def test_the_key_that_was_used_least_recently_is_forgotten() -> None:
    counted, forgotten = counts(most=2)
    assert [0, 0, 1, 0] == [counted.next(key) for key in (b"a", b"b", b"a", b"c")]
    assert 1 == len(forgotten)
    assert [2, 0, 3] == [counted.next(key) for key in (b"a", b"b", b"a")]
    assert 2 == len(forgotten)


def test_ten_thousand_keys_are_kept_whatever_their_length() -> None:
    counted, forgotten = counts()
    for number in range(MOST_KEYS + 5):
        counted.next(b"%d" % number * 100)
    assert (MOST_KEYS, 5) == (len(counted._counts), len(forgotten))
    assert max(map(len, counted._counts)) <= 64


def test_no_count_is_lost_or_given_twice_between_threads() -> None:
    counted, _ = counts()
    with ThreadPoolExecutor(8) as pool:
        given = [*pool.map(lambda _: counted.next(b""), range(20_000))]
    assert [*range(20_000)] == sorted(given)


def test_generations_and_names_share_no_count_and_old_ones_are_dropped() -> None:
    shared = SharedCounts()
    asked = [(1, "a"), (1, "a"), (2, "a"), (1, "b"), (2, "a")]
    assert [(7, 0), (7, 1), (7, 0), (7, 0), (7, 1)] == [shared.answer(7, *one, b"k") for one in asked]
    shared.keep(2)
    assert [2, 0] == [shared.answer(7, generation, "a", b"k")[1] for generation in (2, 1)]


def test_keys_that_workers_forget_are_counted_once() -> None:
    shared = SharedCounts()
    for number in range(MOST_KEYS + 3):
        shared.answer(0, 1, "a", b"%d" % number)
    assert [3, 0] == [shared.take_forgotten(), shared.take_forgotten()]


def turns(app: flask.Flask, count: int) -> list[int]:
    """Which of the responses so many requests get, one after another."""
    return [int(app.test_client().get("/").text) for _ in range(count)]


@pytest.mark.parametrize(
    ("times", "repeats", "expected"),
    [
        ([2, 1], False, [0, 0, 1, 1, 1, 1, 1]),
        ([2, 1], True, [0, 0, 1, 0, 0, 1, 0]),
        ([1, 3, 1], True, [0, 1, 1, 1, 2, 0, 1]),
        ([1, 3], False, [0, 1, 1, 1, 1, 1, 1]),
        ([1], True, [0] * 7),
    ],
)
def test_responses_are_given_in_turn(app_of: App, times: list[int], repeats: bool, expected: list[int]) -> None:
    steps = [{"times": one, "response": {"text": str(number)}} for number, one in enumerate(times)]
    routes = [{"path": "/", "sequence": {"responses": steps, "repeat": repeats}}]
    assert expected == turns(app_of(json.dumps({"routes": routes})), len(expected))


def test_a_turn_that_nobody_can_tell_is_503(tmp_path: Path) -> None:
    def fail(_: bytes) -> int:
        raise Overloaded("nobody answers")

    (tmp_path / "routes.yaml").write_text("routes: [{path: /, sequence: {responses: [{response: a}, {response: b}]}}]")
    spec = load_spec(tmp_path / "routes.yaml")
    (route,) = spec.routes
    endpoint = build_declared(route, {}, Means(None, lambda _: fail, formats=True))
    with pytest.raises(Problem, match="nobody answers") as raised:
        endpoint(Request("GET"))
    assert (503, (("Retry-After", "1"),)) == (raised.value.status, raised.value.headers)


SPEC = """
routes:
  - path: /a/<id>
    sequence:
      per: path.id
      responses:
        - {times: 2, response: {status: 202, json: {state: running}}}
        - {response: {json: {state: done, id: "${path.id}"}}}
  - path: /b
    delay: 1ms
    sequence:
      repeat: true
      responses: [{response: {json: 1}}, {response: {json: 2}}, {response: {json: 1, headers: {X-A: a}}}]
"""


def test_the_document_has_every_response_of_a_sequence(app_of: App) -> None:
    document = json.loads(app_of(SPEC).test_client().get("/openapi.json").data)
    first, second = (document["paths"][path]["get"]["responses"] for path in ("/a/{id}", "/b"))
    assert ["200", "202", "400", "404", "414", "503"] == [*first]
    assert "example" not in first["200"]["content"]["application/json"]
    assert ["state"] == first["202"]["content"]["application/json"]["schema"]["required"]
    examples = {"example-1": {"value": 1}, "example-2": {"value": 2}}
    assert {"schema": {"type": "integer"}, "examples": examples} == second["200"]["content"]["application/json"]
    assert "503" in second


def test_the_docs_page_shows_every_response_of_a_sequence(app_of: App) -> None:
    page = app_of(SPEC).test_client().get("/docs").text
    shown = re.findall("<figcaption>(.*equest.*?)</figcaption>|<code>({&#34;state.*?)</code>", page)
    assert [
        "Requests 1 to 2 for each <code>path.id</code>: 202 Accepted · application/json",
        "{&#34;state&#34;:&#34;running&#34;}",
        "From request 3 on for each <code>path.id</code>: 200 OK · application/json",
    ] == [caption or body for caption, body in shown][:3]
    assert "<figcaption>Request 1: 200 OK" in page
    assert "<figcaption>Request 3, then from the start: 200 OK" in page


def test_the_flask_app_counts_for_all_of_its_threads(app_of: App) -> None:
    app = app_of(
        "routes: [{path: /, sequence: {responses: ["
        "{times: 5, response: {text: a}}, {times: 7, response: {text: b}}, {response: {text: c}}]}}]"
    )
    ready = threading.Barrier(4)

    def ask(_: Any) -> list[str]:
        ready.wait(30)
        return [app.test_client().get("/").text for _ in range(10)]

    with ThreadPoolExecutor(4) as pool:
        answers = [answer for some in pool.map(ask, range(4)) for answer in some]
    assert {"a": 5, "b": 7, "c": 28} == Counter(answers)
