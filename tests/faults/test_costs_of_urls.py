"""What a stranger's URL and headers cost: 10 ms and 1 µs for each byte, before anybody is asked for a key."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from costing import ask, is_within
from handler_door import Door
from werkzeug.routing import MapAdapter

from engine import SpecError, create_app
from engine.endpoints.problems import Problem, require_none
from engine.endpoints.requests.text_values import TextReader, parse_query
from engine.schema import InstanceSchema, Validator
from engine.spec import load_spec
from engine.spec.urls.url_rules import rule_shape

# It measures seconds or memory that others would take from it.
pytestmark = pytest.mark.alone

SLOW_RULES = (
    *("/p2/<path:a>/x/<path:b>/y", "/p3/<path:a>/x/<path:b>/x/<path:c>", "/<a>-<b>x", "/<a>-<b>.<c>", "/<a><b>"),
    *("/<int:a><int:b>", "/<path:a>.<b>", "/<path:a>-<b>/z", "/<string(maxlength=200):a>-<b>x", "/<path:a><b>"),
)
QUICK_RULES = (
    *("/p1/<path:a>/x", "/p2/<path:a>/x/<path:b>", "/<a>", "/<a>-<b>-<c>", "/<a>.json", "/<a>-<int:b>"),
    *("/<int:y>-<int:m>-<int:d>.csv", "/<path:a>/<b>", "/<path:a>/<b>.<c>", "/<path:a>/x/<b>.json", "/<a>-<path:b>"),
    *("/<path:a>.<any(json,csv):e>", "/<string(maxlength=20):a>-<b>x", "/<string(length=2):a><string(length=3):b>"),
)


@pytest.mark.parametrize("rule", SLOW_RULES)
def test_a_rule_that_a_client_could_make_slow_is_refused(rule: str, tmp_path: Path) -> None:
    routes = tmp_path / "routes.yaml"
    routes.write_text(f'routes: [{{path: "{rule}", response: ok}}]')
    with pytest.raises(SpecError) as refused:
        load_spec(routes)
    assert f'routes.yaml:1:17: error: path "{rule}": a client could make this rule take seconds' in str(refused.value)


def hard_urls(rule: str) -> Iterator[str]:
    """URLs that match a rule nearly, in many ways."""
    chance = random.Random(rule)
    pieces = ["a", "1", "-", ".", "/", "x", "a/x/", "1-", "b/1/", "/x", *re.split("<.*?>", rule)]
    for _ in range(30):
        unit = "".join(chance.choices(pieces, k=chance.choice([1, 1, 2, 3]))) or "a"
        text = (rule.partition("<")[0] + unit * (8000 // len(unit)))[:8000]
        yield text + chance.choice(["", "!", "/", "x", "a/z", "\n"])


@pytest.mark.parametrize("rule", QUICK_RULES)
def test_no_url_takes_long_to_route(rule: str, tmp_path: Path) -> None:
    assert rule_shape(rule)
    routes = tmp_path / "routes.yaml"
    routes.write_text(f'routes: [{{path: "{rule}", response: ok}}]')
    app = Door(create_app(routes))
    for url in hard_urls(rule):
        path = url if url.startswith("/") else "/" + url
        asked = partial(ask, app, b"", REQUEST_METHOD="GET", PATH_INFO=path)
        assert is_within(len(path), asked), path[:40]


QUERIES = (
    "&".join(f"a{number}=1" for number in range(7000)),
    "&".join(f"a{number}=1" for number in range(1999)),
    "&".join(f"n{number % 30}=x" for number in range(1999)),
    "a&" * 30_000,
    "&" * 60_000,
    "%41" * 20_000,
    "n1=" + "9" * 60_000,
)


@pytest.mark.parametrize("number", range(len(QUERIES)))
def test_no_query_string_takes_long_to_read(number: int) -> None:
    names = [f"n{number}" for number in range(30)]
    schema = {
        "required": names,
        "properties": {name: {"type": "number"} for name in names},
        "additionalProperties": False,
    }
    reader, validator, query = TextReader(InstanceSchema(schema)), Validator(schema), QUERIES[number]

    def violate() -> None:
        budget = validator.budget(len(query))
        texts = parse_query(query)
        require_none(reader.told(validator.violations(reader.read(texts), (), budget), texts), budget)

    def refuse() -> None:
        with pytest.raises(Problem):
            violate()

    assert is_within(len(query), refuse)


HEADERS = ("ACCEPT", "IF_NONE_MATCH", "COOKIE", "X_REQUEST_ID", "TRACEPARENT", "ORIGIN", "AUTHORIZATION", "X_API_KEY")


@pytest.mark.parametrize("name", [*HEADERS, "EXPECT", "HOST", "RANGE", "ACCEPT_ENCODING", "FORWARDED"])
def test_no_header_takes_long_to_read(name: str, tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("x")
    (tmp_path / "routes.yaml").write_text(
        "service: {cors: {origins: ['https://a.example']}}\n"
        "routes: [{path: /file, response: {file: file.txt}}, {path: /, methods: [GET, POST], response: ok}]"
    )
    app = Door(create_app(tmp_path / "routes.yaml"))
    for unit in ("a/b;q=0.1,", 'W/"a",', '"', ";", "a=b; ", "*/*, ", 'a/b;c="x\\"', "127.", "\\"):
        sent = {f"HTTP_{name}": unit * (60_000 // len(unit))}
        for method, path in (("GET", "/file"), ("GET", "/nowhere"), ("OPTIONS", "/")):
            asked = partial(ask, app, b"", REQUEST_METHOD=method, PATH_INFO=path, **sent)
            assert is_within(60_000, asked), (unit, path)


def test_a_url_that_no_route_takes_is_not_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_for: list[str] = []
    monkeypatch.setattr(MapAdapter, "match", lambda *_, **__: looked_for.append("") or pytest.fail("looked for"))
    (tmp_path / "routes.yaml").write_text('routes: [{path: "/<path:a>/x", response: ok}]')
    app = Door(create_app(tmp_path / "routes.yaml"))
    assert 414 == ask(app, b"", REQUEST_METHOD="GET", PATH_INFO="/" + "a/x/" * 20_000)[0]
    assert not looked_for
