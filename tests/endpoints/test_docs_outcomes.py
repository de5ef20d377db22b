"""What the docs page shows of a route at a glance: the statuses of its answers, and what they depend on."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

import flask
import pytest

AppOf = Callable[..., flask.Flask]


def outcomes(app: flask.Flask) -> list[list[str]]:
    """Return the lines that each route has before anything is opened."""
    page = app.test_client().get("/docs").text
    lists = re.findall(r'<ul class="outcomes".*?</ul>', page, re.DOTALL)
    items = [re.findall(r"<li.*?</li>", one, re.DOTALL) for one in lists]
    return [[" ".join(unescape(re.sub(r"<[^>]*>", "", item)).split()) for item in one] for one in items]


CASES = {
    "values and bounds": (
        """
  - path: /a
    input: {type: object, properties: {amount: {type: number}, kind: {type: string}, note: {type: string}}}
    query: {properties: {vip: {type: boolean}}}
    cases:
      - {when: {body.amount: {exclusiveMinimum: 1000}, query.vip: false}, response: {status: 402, json: {}}}
      - {when: {any: [{body.kind: {enum: [x, y]}}, {body.amount: {minimum: 1, maximum: 5}}]}, response: {status: 409}}
      - {when: {not: {present: body.note}}, chance: 5%, response: {status: 503}}
      - {response: hi}
""",
        [
            "402 when body.amount > 1000 and query.vip is false",
            '409 when body.kind is one of "x", "y" or body.amount: from 1 to 5',
            "503 when body.note is absent, in 5% of requests",
            "200 otherwise",
        ],
    ),
    "what is sent in turn": (
        """
  - path: /a/<int:id>
    sequence: {per: path.id, responses: [{times: 3, response: {status: 202}}, {response: hi}, {response: ho}]}
""",
        ["202, 200 in turn for each path.id"],
    ),
    "what is sent in turn with one status": (
        "\n  - {path: /a, sequence: {responses: [{response: hi}, {response: ho}]}}\n",
        ["200 2 responses in turn"],
    ),
    "several bodies of a condition": (
        """
  - path: /a/<int:id>
    cases:
      - {when: {path.id: 1}, response: {json: {}, html: hi, text: hi}}
      - {response: hi}
""",
        ["200 when path.id is 1: JSON, HTML or text, by Accept", "200 otherwise"],
    ),
    "several bodies": (
        "\n  - {path: /a, response: {json: {}, text: hi}}\n",
        ["200 JSON or text, by Accept"],
    ),
    "delays and failures": (
        """
  - path: /a/<id>
    delay: 20ms
    cases:
      - {when: {path.id: "1"}, fail: reset, response: {status: 503}}
      - {response: hi}
""",
        ['— when path.id is "1" · Delayed by 20 ms; the connection is reset', "200 otherwise · Delayed by 20 ms"],
    ),
    "redirections": (
        """
  - path: /a/<int:id>
    cases:
      - {when: {path.id: 1}, response: {status: 302, headers: {location: "/b/${path.id}"}}}
      - {response: {status: 201, headers: {Location: "/c/${path.id}"}}}
""",
        ["302 when path.id is 1 → to /b/${path.id}", "201 otherwise"],
    ),
    "many cases": (
        "\n  - path: /a/<int:id>\n    cases:\n"
        + "".join(f"      - {{when: {{path.id: {one}}}, response: hi}}\n" for one in range(6))
        + "      - {response: hi}\n",
        [*(f"200 when path.id is {one}" for one in range(4)), "and 3 more, under Responses"],
    ),
    "a long condition": (
        f"""
  - path: /a
    query: {{properties: {{q: {{type: string}}}}}}
    cases:
      - {{when: {{query.q: {{enum: [{", ".join(f"{one}-and-more" for one in range(1000, 1020))}]}}}}, response: hi}}
      - {{response: ho}}
""",
        ["200 under a condition that is shown under Responses", "200 otherwise"],
    ),
}


@pytest.mark.parametrize(("routes", "expected"), CASES.values(), ids=CASES)
def test_what_an_answer_depends_on_is_shown_at_a_glance(routes: str, expected: list[str], app_of: AppOf) -> None:
    assert [expected] == outcomes(app_of(f"routes:{routes}"))


def test_five_cases_are_all_shown(app_of: AppOf) -> None:
    cases = "".join(f"{{when: {{path.id: {one}}}, response: hi}}, " for one in range(4))
    (shown,) = outcomes(app_of(f"routes: [{{path: '/a/<int:id>', cases: [{cases}{{response: hi}}]}}]"))
    assert [*(f"200 when path.id is {one}" for one in range(4)), "200 otherwise"] == shown


def test_a_route_that_always_answers_the_same_has_no_list(app_of: AppOf) -> None:
    assert [] == outcomes(app_of("routes: [{path: /a, response: hi}]"))


def test_a_redirection_shows_its_target(app_of: AppOf) -> None:
    response = '{status: 301, headers: {Location: "/new/${path.id}?q=<b>"}}'
    page = app_of(f"routes: [{{path: '/old/<int:id>', response: {response}}}]").test_client().get("/docs").text
    caption = re.search(r"<figcaption>(301.*?)</figcaption>", page, re.DOTALL)[1]
    assert "301 Moved Permanently → to /new/${path.id}?q=<b>" == unescape(re.sub(r"<[^>]*>", "", caption)).strip()


def test_what_guarded_answers_depend_on_is_shown_to_nobody_else(app_of: AppOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_TEST_SEES", "key-0123456789abcdef")
    service = "service: {auth: {api_keys: [{name: ci, env: ENGINE_TEST_SEES}]}, built_in: {docs: {auth: false}}}\n"
    cases = "[{when: {path.id: secret}, response: hi}, {response: ho}]"
    assert [] == outcomes(app_of(f"{service}routes: [{{path: '/a/<id>', auth: [ci], cases: {cases}}}]"))
