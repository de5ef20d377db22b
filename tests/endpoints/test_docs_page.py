"""The docs page as HTML: complete without a script, escaped, and below the path where the spec wants it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import flask
import pytest
import yaml
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from engine.endpoints.docs.fields import ABSENT, FormField, body_fields, body_of
from engine.errors import SpecError
from engine.schema import InstanceSchema
from engine.spec import DOCS_FILES

AppOf = Callable[..., flask.Flask]
IRIS = (ROOT / "models.yaml").read_text()
ROUTES = "routes: [{path: /p, model: iris, methods: [GET, POST]}, {path: '/users/<int:id>', response: hi}]"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
VOID = {"meta", "link", "input", "br", "wbr"}
HOSTILE = [
    "</script><script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "{{ 7*7 }}{% raw %}",
    "\u202eevil\u2066 \u05e9\u05dc",
    "🦋 & &amp; <b>",
    "-->]]>",
    "a\tb\nc",
]


class Page(HTMLParser):
    """The elements of a page with their attributes and texts; asserts that every one is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert [] == self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(attrs) == len(dict(attrs)), attrs
        self.elements.append((tag, dict(attrs)))
        self._open += [] if tag in VOID else [tag]

    def handle_endtag(self, tag: str) -> None:
        assert tag == self._open.pop()

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        return [found for name, found in self.elements if name == tag and wanted.items() <= found.items()]


def test_the_page_lists_every_route_with_its_methods(app_of: AppOf) -> None:
    page = Page(app_of(ROUTES, IRIS).test_client().get("/docs").text)
    expected = ["/p", "/users/{id}", "/docs", "/openapi.json", "/livez", "/readyz", "/-/status"]
    shown = [card["data-path"] for card in page.all("article")]
    assert expected == [path for path in shown if path in expected]
    assert "The species of an iris, from four measurements in cm." in page.text
    assert "The input violates its schema; errors has every violation." in page.text


def test_the_fields_of_a_model_are_filled_in_from_its_first_example(app_of: AppOf) -> None:
    page = Page(app_of(ROUTES, IRIS).test_client().get("/docs").text)
    shown = {field["name"]: field["value"] for field in page.all("input", type="number") if "name" in field}
    assert {"sepal_length": "5.9", "sepal_width": "3.0", "petal_length": "5.1", "petal_width": "1.8"} == shown


def test_a_public_shape_with_a_number_that_nothing_suggests_has_a_card(app_of: AppOf) -> None:
    """The model's example says nothing of it, so that the form leaves it to the reader."""
    features = ("sepal_length", "sepal_width", "petal_length", "petal_width")
    shape = {name: {"type": "number"} for name in features} | {"id": {"type": "integer"}}
    instance = {name: f"${{body.{name}}}" for name in features}
    route = {"path": "/x", "model": "iris", "instance": instance}
    route["input"] = {"type": "object", "required": [*shape], "properties": shape}
    answer = app_of(json.dumps({"routes": [route]}), IRIS).test_client().get("/docs")
    assert (200, True) == (answer.status_code, "5.9" in answer.text)


def test_features_in_the_path_are_fields_of_the_path(app_of: AppOf) -> None:
    routes = "routes: [{path: '/p/<sepal_length>/<float:petal_width>', model: iris}]"
    page = Page(app_of(routes, IRIS).test_client().get("/docs").text)
    fields = [(one["data-field"], one["data-role"], one["value"]) for one in page.all("input") if "data-field" in one]
    assert [
        ("sepal_length", "path", "5.9"),
        ("petal_width", "path", "1.8"),
        ("sepal_width", "member", "3.0"),
        ("petal_length", "member", "5.1"),
    ] == fields[:4]
    assert '"$SERVICE"/p/5.9/1.8' in page.text


def test_every_label_has_its_field_and_every_description_is_there(app_of: AppOf) -> None:
    page = Page(app_of(ROUTES, IRIS).test_client().get("/docs").text)
    ids = [found["id"] for _, found in page.elements if "id" in found]
    assert len(ids) == len(set(ids))
    for label in page.all("label"):
        assert "for" not in label or label["for"] in ids
    for _, found in page.elements:
        assert {*(found.get("aria-describedby") or "").split()} <= {*ids}


def test_only_files_of_the_service_are_named_and_nothing_is_inline(app_of: AppOf) -> None:
    text = app_of(ROUTES, IRIS).test_client().get("/docs").text
    page = Page(text)
    assert [{"type": "module", "src": "./docs/docs.js"}] == page.all("script")
    assert ["data:,", "./docs/docs.css"] == [link["href"] for link in page.all("link")]
    for _, found in page.elements:
        assert "style" not in found
        assert not [name for name in found if name.startswith("on")]
        assert not (found.get("href") or "").startswith(("http:", "https:", "//"))


def test_the_headers_let_nothing_in_from_elsewhere(app_of: AppOf) -> None:
    client = app_of(ROUTES, IRIS).test_client()
    page = client.get("/docs")
    assert f"{POLICY}; require-trusted-types-for 'script'; trusted-types 'none'" == page.headers[SECURITY]
    for answer in (page, *(client.get(f"/docs/{name}") for name in DOCS_FILES)):
        assert 200 == answer.status_code
        assert answer.headers[SECURITY].startswith(POLICY)
        assert ("nosniff", "no-referrer") == (
            answer.headers["X-Content-Type-Options"],
            answer.headers["Referrer-Policy"],
        )


SECURITY = "Content-Security-Policy"


@pytest.mark.parametrize("path", ["/docs", "/docs/docs.js", "/docs/swagger-ui-bundle.js", "/docs/document.json"])
def test_who_has_a_file_is_told_so(path: str, app_of: AppOf) -> None:
    client = app_of(ROUTES, IRIS).test_client()
    answer = client.get(path)
    again = client.get(path, headers={"If-None-Match": answer.headers["ETag"]})
    assert (304, b"", "no-cache") == (again.status_code, again.data, again.headers["Cache-Control"])


@pytest.mark.parametrize("path", ["/docs/", "/docs/page.html", "/docs/../models.yaml", "/docs/build.py"])
def test_what_is_no_file_of_the_docs_is_not_found(path: str, app_of: AppOf) -> None:
    assert 404 == app_of(ROUTES, IRIS).test_client().get(path).status_code


@pytest.mark.parametrize(
    ("path", "root", "files"),
    [("/help", "./", "./help/"), ("/a/b c/é:x", "../../", "%C3%A9%3Ax/"), ("/help/", "../", "./"), ("/", "./", "./")],
)
def test_a_page_that_was_moved_has_everything_below_it(path: str, root: str, files: str, app_of: AppOf) -> None:
    spec = {"service": {"built_in": {"docs": path, "openapi": "/x/api.json"}}, "routes": [{"path": "/r"}]}
    client = app_of(yaml.safe_dump({**spec, "routes": [{"path": "/r", "response": "hi"}]})).test_client()
    page = Page(client.get(path).text)
    (script,), (body,) = page.all("script"), page.all("body")
    assert (root, True) == (body["data-root"].removeprefix("./") or "./", script["src"].endswith(f"{files}docs.js"))
    assert f"{body['data-root']}x/api.json" in [link["href"] for link in page.all("a")]
    for name in DOCS_FILES:
        assert 200 == client.get(f"{path.rstrip('/')}/{name}").status_code
    assert 404 == client.get("/docs").status_code


def test_the_reference_needs_no_openapi_route(app_of: AppOf) -> None:
    client = app_of("service: {built_in: {openapi: false}}\nroutes: [{path: /r, response: hi}]").test_client()
    assert "/r" in client.get("/docs/document.json").json["paths"]
    assert "OpenAPI document" not in client.get("/docs").text


def test_a_route_of_ones_own_may_stand_below_the_docs_but_for_their_files(app_of: AppOf) -> None:
    client = app_of("routes: [{path: /docs/guide, response: mine}]").test_client()
    assert "mine" == client.get("/docs/guide").text
    with pytest.raises(SpecError) as refused:
        app_of("routes: [{path: /docs/docs.css, response: mine}]")
    (found,) = refused.value.diagnostics
    assert 'path "/docs/docs.css" is built in and serves the docs page' in found.message


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_in_a_spec_becomes_markup(text: str, app_of: AppOf) -> None:
    schema = {
        "type": "object",
        "required": [text],
        "title": text,
        "properties": {
            text: {"type": "string", "description": text, "title": text, "pattern": "^a<b>\"'$", "default": text},
            "choice": {"enum": [text, None, 1, True]},
            "action": {"type": "object", "default": {text: text}},
        },
    }
    words = {"summary": text, "description": text, "tags": [text, text + "2"]}
    service = {"title": text, "version": text, "description": text}
    routes = [{"path": "/in", "input": schema, "response": {"json": {text: text}}, **words}]
    app = app_of(json.dumps({"service": service, "routes": routes}))
    page = Page(app.test_client().get("/docs").text)
    assert ["./docs/docs.js"] == [script["src"] for script in page.all("script")]
    assert [] == page.all("img") + page.all("b")
    assert text in page.text
    (field,) = [field for field in (*page.all("input"), *page.all("textarea")) if field.get("data-field") == text]
    assert text in (field.get("value") or page.text)
    reference = Page(app.test_client().get("/docs/reference").text)
    assert ["./swagger-ui-bundle.js", "./reference.js"] == [script["src"] for script in reference.all("script")]


def test_curl_in_the_page_is_what_a_shell_takes(app_of: AppOf) -> None:
    schema = '{type: object, properties: {text: {default: "it\'s $HOME `id` \\"\\\\"}}, required: [text]}'
    app = app_of(f"routes: [{{path: /in, methods: [PUT], input: {schema}, response: hi}}]")
    text = app.test_client().get("/docs").text
    command = Page(re.search(r"<code data-curl>(curl -X PUT.*?)</code>", text, re.DOTALL)[0]).text
    shell = ["bash", "-c", f'curl() {{ printf "%s\\n" "$@"; }}; SERVICE=http://there; {command}']
    done = subprocess.run(shell, capture_output=True, text=True, check=True)
    method, name, url, _, header, _, body = done.stdout.splitlines()
    assert ("-X", "PUT", "http://there/in") == (method, name, url)
    assert ("Content-Type: application/json", {"text": "it's $HOME `id` \"\\"}) == (header, json.loads(body))


def test_a_key_is_asked_for_where_a_route_wants_one(app_of: AppOf, monkeypatch: pytest.MonkeyPatch) -> None:
    routes = "routes: [{path: /a, response: hi}, {path: /b, response: hi, auth: false}]"
    assert [] == Page(app_of(routes).test_client().get("/docs").text).all("input", id="key")
    monkeypatch.setenv("ENGINE_TEST_PAGE_KEY", "key-0123456789abcdef")
    service = "service: {auth: {api_keys: [{name: ci, env: ENGINE_TEST_PAGE_KEY}]}}\n"
    client = app_of(service + routes).test_client()
    page = Page(client.get("/docs", headers={"X-API-Key": "key-0123456789abcdef"}).text)
    assert 1 == len(page.all("input", id="key", type="password"))
    keyed = [card["data-path"] for card in page.all("article") if card.get("data-key") == "X-API-Key"]
    assert ("/a" in keyed, "/b" in keyed) == (True, False)
    assert '-H "X-API-Key: $API_KEY"' in page.text


def test_a_route_that_openapi_cannot_tell_from_another_has_a_card_of_its_own(
    app_of: AppOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_TEST_PAGE_KEY", "key-0123456789abcdef")
    routes = """service: {auth: {api_keys: [{name: ci, env: ENGINE_TEST_PAGE_KEY}]}, built_in: {docs: {auth: false}}}
routes:
  - {path: '/a/<int:id>', response: one, tags: [first], summary: The first, description: One of two.}
  - {path: '/a/<name>', response: two, auth: false, summary: The second}
"""
    text = app_of(routes).test_client().get("/docs").text
    page = Page(text)
    cards = [card for card in page.all("article") if card["data-path"].startswith("/a/")]
    assert [("/a/{id}", "X-API-Key"), ("/a/{name}", None)] == [
        (card["data-path"], card.get("data-key")) for card in cards
    ]
    assert 2 == len({card["id"] for card in cards})
    for words in ("The first", "One of two.", "The second"):
        assert 1 == page.text.count(words), words
    assert page.text.index("first") < page.text.index("The first") < page.text.index("Endpoints")


@pytest.mark.parametrize(
    ("schema", "kinds", "attributes"),
    [
        ({"type": "integer", "minimum": 1, "exclusiveMaximum": 5}, "number", {"step": "1", "min": "1", "max": "4"}),
        ({"type": "number", "exclusiveMinimum": 0.5}, "number", {"step": "any", "min": "0.5"}),
        ({"type": ["number", "null"], "multipleOf": 0.1}, "number", {"step": "0.1"}),
        ({"anyOf": [{"type": "number", "maximum": 3}, {"type": "null"}]}, "number", {"step": "any", "max": "3"}),
        ({"$ref": "#/$defs/size"}, "number", {"step": "any", "min": "2"}),
        ({"type": "string", "maxLength": 9}, "text", {"maxlength": "9"}),
        ({"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]}, "date", {}),
        ({"type": "boolean"}, "choice", {}),
        ({"enum": ["a", None]}, "choice", {}),
        ({"const": 1}, "choice", {}),
        ({"enum": [[1], [2]]}, "json", {}),
        ({"type": ["number", "string"]}, "json", {}),
        ({"type": "array"}, "json", {}),
        ({"oneOf": [{"type": "string"}, {"type": "object"}]}, "json", {}),
        (True, "json", {}),
        (False, "json", {}),
    ],
)
def test_a_field_is_of_the_kind_of_its_schema(schema: Any, kinds: str, attributes: dict[str, str]) -> None:
    document = {"type": "object", "properties": {"x": schema}, "$defs": {"size": {"type": "number", "minimum": 2}}}
    (field,) = body_fields(InstanceSchema(document))
    assert (kinds, attributes, "member") == (field.kind, dict(field.attributes), field.role)


@pytest.mark.parametrize(
    ("schema", "example", "roles"),
    [
        ({"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}, ABSENT, ["item", "item"]),
        ({"type": "array", "items": {"type": "number"}}, ABSENT, ["whole"]),
        ({"type": "number"}, 3, ["whole"]),
        ({"type": "string"}, "text", ["whole"]),
        ({"type": "object", "required": ["y"], "properties": {"x": True}}, ABSENT, ["whole"]),
        ({"type": "object", "properties": {"x": True}}, {"x": 1, "z": 2}, ["whole"]),
        ({"type": "object", "properties": {f"x{number}": True for number in range(101)}}, ABSENT, ["whole"]),
        ({"$ref": "#"}, ABSENT, ["whole"]),
    ],
)
def test_what_is_too_much_for_a_form_is_asked_for_as_json(schema: Any, example: Any, roles: list[str]) -> None:
    assert roles == [field.role for field in body_fields(InstanceSchema(schema), example)]


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (FormField(role="member", name="x", kind="number"), "{}"),
        (FormField(role="member", name="x", kind="number", nullable=True), '{"x": null}'),
        (FormField(role="member", name="x", kind="text"), '{"x": ""}'),
        (FormField(role="member", name="x", kind="date"), "{}"),
        (FormField(role="member", name="x", kind="date", value="2024-02-29"), '{"x": "2024-02-29"}'),
        (FormField(role="member", name="x", kind="text", required=False), "{}"),
        (FormField(role="member", name='é"', kind="text", value="ü"), '{"é\\"": "ü"}'),
        (FormField(role="member", name="x", kind="number", value=12345678901234567890), '{"x": 12345678901234567890}'),
        (FormField(role="member", name="x", kind="choice", value=None), '{"x": null}'),
        (FormField(role="path", name="x", kind="text", value="a"), None),
    ],
)
def test_what_is_not_filled_in_is_left_out(field: FormField, expected: str | None) -> None:
    assert expected == body_of((field,))


@pytest.mark.parametrize(
    ("schema", "text", "sent"),
    [
        ({"type": "integer"}, "", "{}"),
        ({"type": "integer", "minimum": 1, "maximum": 12}, "1", '{"x": 1}'),
        ({"type": "number", "minimum": -1, "maximum": 1}, "0", '{"x": 0}'),
        ({"type": ["number", "null"], "minimum": 1}, "", '{"x": null}'),
        ({"type": ["number", "null"], "default": 2}, "2", '{"x": 2}'),
        ({"type": "array", "items": {"type": "number"}, "minItems": 1}, "[\n  0\n]", '{"x": [\n  0\n]}'),
    ],
)
def test_a_form_makes_no_number_up(schema: Any, text: str, sent: str) -> None:
    """Without an example, a feature is empty unless its schema suggests a number or allows null."""
    fields = body_fields(InstanceSchema({"type": "object", "required": ["x"], "properties": {"x": schema}}))
    assert (text, sent) == (fields[0].text, body_of(fields))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
)


@given(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), JSON, max_size=4))
def test_an_example_that_fills_a_form_comes_out_of_it_as_it_was(example: dict[str, Any]) -> None:
    schema = {"type": "object", "required": list(example), "properties": dict.fromkeys(example, True)}
    assert example == json.loads(body_of(body_fields(InstanceSchema(schema), example)) or "{}")


def test_the_package_of_assets_is_read_and_never_imported(app_of: AppOf) -> None:
    app = app_of("routes: [{path: /, response: hi}]")
    assert len(app.test_client().get("/docs/swagger-ui-bundle.js").data) > 1_000_000
    assert "flask_swagger_ui" not in sys.modules
