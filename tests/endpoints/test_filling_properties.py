"""No value of a request breaks an answer: its JSON, its page, its headers or where it leads."""

from __future__ import annotations

import json
import os
import re
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import flask
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from werkzeug.test import create_environ, run_wsgi_app

from engine import create_app

SETTINGS = settings(
    max_examples=int(os.environ.get("ENGINE_EXAMPLES", "100")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(
    ["", '"', "${query.q}", "</p><script>", "//evil.example", "\\evil", "a\r\nX: b", "javascript:", "..", "%2F", "\x00"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
SEGMENTS = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=12)
NAMED = {"query.q": "q", "query.b": "b", "headers.X-H": "h", "path.name": "p", "body": "body"}
CONTENT = {
    "${query.q}": "${body}",
    "k ${headers.X-H}": ["${headers.X-H}", "<${path.name}|${query.b}>", {"deep": "${body}", "text": "is ${body}"}],
    "literal $${query.q}": "$${x} ${query.q}",
}
DECLARED: dict[str, Any] = {
    "query": {"required": ["q", "b"], "properties": {"q": {"type": "string"}, "b": {"type": "string"}}},
    "headers": {"required": ["X-H"], "properties": {"X-H": {"type": "string"}}},
    "input": {},
}
ROUTES = [
    {"path": "/json/<name>", "response": {"json": CONTENT}},
    {"path": "/html/<name>", "response": {"html": '<p title="${query.q}">${query.b}|${path.name}|${body}</p>'}},
    {"path": "/text/<name>", "response": {"text": "${query.q}|${headers.X-H}|${body}"}},
    {
        "path": "/headers/<name>",
        "response": {"text": "", "headers": {"X-A": "${query.q}", "X-B": ["a ${body}", "${path.name}${headers.X-H}"]}},
    },
    *(
        {"path": f"/location-{number}/<name>", "response": {"status": 302, "headers": {"Location": target}}}
        for number, target in enumerate(
            (
                "/${query.q}/${query.b}",
                "/a/${query.q}?x=${query.b}&y=${headers.X-H}#${path.name}",
                "${path.name}x",
                "?${query.q}",
            )
        )
        if not target.startswith("${")
    ),
]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> flask.Flask:
    folder = tmp_path_factory.mktemp("filled")
    routes = [{**route, **DECLARED} for route in ROUTES]
    (folder / "routes.yaml").write_text(json.dumps({"routes": routes}))
    return create_app(folder / "routes.yaml")


def send(app: flask.Flask, path: str, query: Any, header: str, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
    environ = create_environ("/", method="POST", data=body, content_type="application/json")
    environ["PATH_INFO"] = path.encode().decode("latin-1")
    environ["QUERY_STRING"] = urlencode(query)
    environ["HTTP_X_H"] = header.encode().decode("latin-1")
    content, status, headers = run_wsgi_app(app, environ)
    return int(status.split()[0]), list(headers), b"".join(content)


def filled(content: Any, values: dict[str, Any]) -> Any:
    """Fill references in, as the documentation says it, by a few lines that know nothing of the engine."""
    if isinstance(content, list):
        return [filled(item, values) for item in content]
    if isinstance(content, dict):
        return {in_text(key, values): filled(item, values) for key, item in content.items()}
    alone = re.fullmatch(r"\$\{([^}]*)\}", content)
    return values[alone[1]] if alone else in_text(content, values)


def in_text(text: str, values: dict[str, Any]) -> str:
    def write(found: re.Match[str]) -> str:
        if found[0].startswith("$$"):
            return found[0][1:]
        value = values[found[1]]
        return value if isinstance(value, str) else as_json(value)

    return re.sub(r"\$?\$\{([^}]*)\}", write, text)


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


VALUES = st.fixed_dictionaries({"q": TEXTS, "b": TEXTS, "h": TEXTS, "p": SEGMENTS, "body": JSON})


def values_of(sent: dict[str, Any]) -> dict[str, Any]:
    return {name: sent[key] for name, key in NAMED.items()}


def sent_to(app: flask.Flask, path: str, sent: dict[str, Any]) -> tuple[int, list[tuple[str, str]], bytes]:
    query = {"q": sent["q"], "b": sent["b"]}
    status, headers, body = send(app, f"{path}/{sent['p']}", query, sent["h"], as_json(sent["body"]).encode())
    assume(status not in (308, 404))  # a path that no rule matches
    return status, headers, body


@SETTINGS
@given(sent=VALUES)
@example(sent={"q": '",', "b": "\\", "h": "]", "p": '"', "body": {"a": 10**30}})
def test_json_has_exactly_the_structure_that_is_declared(sent: dict[str, Any], app: flask.Flask) -> None:
    assume(not any(isinstance(found, float) for found in leaves(sent["body"])))  # written differently inside of texts
    status, _, body = sent_to(app, "/json", sent)
    assert (200, filled(CONTENT, values_of(sent))) == (status, json.loads(body))


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in leaves(item)]
    return [leaf for item in value for leaf in leaves(item)] if isinstance(value, list) else [value]


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, attrs))

    def handle_endtag(self, tag: str) -> None:
        self.seen.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@SETTINGS
@given(sent=VALUES)
def test_html_is_read_back_as_one_element_with_its_texts(sent: dict[str, Any], app: flask.Flask) -> None:
    assume(not any(isinstance(found, float) for found in leaves(sent["body"])))
    status, _, body = sent_to(app, "/html", sent)
    reader = Reader()
    reader.feed(body.decode())
    reader.close()
    assert status == 200
    assert [("p", [("title", sent["q"])]), "p"] == reader.seen
    assert in_text("${query.b}|${path.name}|${body}", values_of(sent)) == reader.text


@SETTINGS
@given(sent=VALUES)
def test_text_has_the_values_as_they_are(sent: dict[str, Any], app: flask.Flask) -> None:
    assume(not any(isinstance(found, float) for found in leaves(sent["body"])))
    status, _, body = sent_to(app, "/text", sent)
    assert (200, in_text("${query.q}|${headers.X-H}|${body}", values_of(sent))) == (status, body.decode())


@SETTINGS
@given(sent=VALUES)
def test_no_value_adds_a_header_or_a_control_character(sent: dict[str, Any], app: flask.Flask) -> None:
    status, headers, _ = sent_to(app, "/headers", sent)
    assert status == 200
    ours = [name for name, _ in headers if name not in ("Content-Type", "Content-Length")]
    assert ["X-A", "X-B", "X-B"] == sorted(ours)
    for _, value in headers:
        assert all(" " <= character <= "~" for character in value), value


@SETTINGS
@given(sent=VALUES, number=st.sampled_from([0, 1, 3]))
@example(sent={"q": "", "b": "evil.example", "h": "", "p": "a", "body": None}, number=0)
@example(sent={"q": "", "b": "/evil.example", "h": "", "p": "a", "body": None}, number=0)
@example(sent={"q": "\t", "b": "\\evil.example", "h": "", "p": "a", "body": None}, number=0)
def test_a_location_leads_to_the_same_site(sent: dict[str, Any], number: int, app: flask.Flask) -> None:
    status, headers, _ = sent_to(app, f"/location-{number}", sent)
    target = dict(headers)["Location"]
    assert status == 302
    assert re.fullmatch(r"[!-~]*", target), target
    assert not re.search(r"[\\\s]", target)
    assert ("http", "svc.example") == urlsplit(urljoin("http://svc.example/here", target))[:2]
    assert not target.startswith("//")
