"""What the docs page says before anything is sent: models first, what they are, and what routes answer."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flask
import pytest
from test_docs_page import Page

from engine.endpoints.docs.about import runtime_in_words
from engine.endpoints.docs.fields import body_fields
from engine.endpoints.docs.previews import form_of
from engine.models import Report
from engine.schema import InstanceSchema

AppOf = Callable[..., flask.Flask]
ROUTES = """routes:
  - {path: /first, response: hi, tags: [beta]}
  - {path: /p, model: iris, tags: [beta]}
  - {path: /again, model: iris, summary: The same}
  - {path: /last, response: hi, tags: [alpha]}
"""
MODELS = """models:
  iris:
    file: build/model.pkl
    description: Ask for `petals`.
    reference: build/reference.csv
    output: {{labels: [setosa, versicolor, virginica]}}
    input:
      type: object
      required: [a, b, c, d]
      properties:
        a: {{type: number}}
        b: {{type: number}}
        c: {{type: number}}
        d: {{type: number}}
    examples:
      - {{input: {{a: 5.9, b: 3.0, c: 5.1, d: 1.8}}, result: 2}}
      - {{input: {{a: 5.1, b: 3.5, c: 1.4, d: 0.2}}, result: 0}}
      - {{input: {{a: 5.0, b: 3.4567, c: 1.5, d: 0.2}}, result: 0}}
{more}
"""
SECRET = "4.4321"
KEY = "key-0123456789abcdef"


def page_of(app: flask.Flask, **headers: str) -> Page:
    return Page(app.test_client().get("/docs", headers=headers).text)


@pytest.fixture
def with_reference(app_of: AppOf, spec_folder: Path) -> Callable[[str], Page]:
    """The page of a model whose reference has a number that is nowhere else."""

    def make(more: str = "") -> Page:
        (spec_folder / "build" / "reference.csv").write_text(f"a,b,c,d\n{SECRET},3,4,1\n5,3,1.5,0.2\n")
        return page_of(app_of(ROUTES, MODELS.format(more=more)))

    return make


def chips(page: Page) -> list[list[str]]:
    return [json.loads(button["data-values"] or "") for button in page.all("button") if "data-values" in button]


def test_models_come_first_and_the_first_is_open(with_reference: Callable[..., Page]) -> None:
    page = with_reference()
    assert ["/p", "/again", "/first", "/last", "/docs"] == [one["data-path"] for one in page.all("article")][:5]
    headings = re.findall(r"^(Models|alpha|beta|Built in)$", page.text, re.MULTILINE)
    assert ["Models", "beta", "alpha", "Built in"] == headings
    opened = ["open" in one for one in page.all("details", **{"class": "try"})]
    assert [True, False, False] == opened[:3]


def test_a_model_says_what_it_is_once(with_reference: Callable[..., Page], spec_folder: Path) -> None:
    page = with_reference()
    digest = hashlib.sha256((spec_folder / "build" / "model.pkl").read_bytes()).hexdigest()
    for said in (
        "RandomForestClassifier",
        "build/model.pkl",
        digest[:12],
        "a, b, c, d",
        "setosa, versicolor, virginica",
    ):
        assert 1 == page.text.count(said), said
    assert re.search(r"exact on [\d,]+ rows, [\d,.]+ times faster than scikit-learn", page.text)
    assert re.search(r"Library\s*scikit-learn \d+\.\d+", page.text)
    assert re.search(r"Loaded\s*20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC", page.text)
    assert ["#post-p--model"] == [one["href"] for one in page.all("a") if str(one.get("href")).endswith("--model")]
    assert '"labels": ["setosa" | "versicolor" | "virginica", …]' in page.text
    assert ("`" in page.text, "Ask for petals." in page.text) == (False, True)


def test_no_value_of_a_reference_is_shown_unless_the_model_says_so(with_reference: Callable[..., Page]) -> None:
    assert SECRET not in str(with_reference().elements) + with_reference().text
    shown = with_reference("    show_reference: true")
    assert ["4.4321", "3", "4", "1"] in chips(shown)
    assert "Row 2" in shown.text


def test_an_example_that_init_took_from_the_reference_is_not_shown(app_of: AppOf, spec_folder: Path) -> None:
    """Neither on the page nor in the OpenAPI document, but for a model that shows its reference."""
    (spec_folder / "build" / "reference.csv").write_text("a,b,c,d\n5.0,3.4567,1.5,0.2\n")
    for more, is_shown in (("", False), ("    show_reference: true", True)):
        models = MODELS.format(more=more).replace("result: 0}", "result: 0, recorded: true}")
        client = app_of(ROUTES, models).test_client()
        for path in ("/docs", "/openapi.json"):
            assert (True, is_shown) == ("5.9" in client.get(path).text, "3.4567" in client.get(path).text)


def test_examples_are_named_by_their_labels(with_reference: Callable[..., Page]) -> None:
    page = with_reference()
    assert ["5.9", "3.0", "5.1", "1.8"] == chips(page)[0]
    assert ["virginica", "setosa", "setosa 2"] == re.findall(r"^((?:virg|set)\w+(?: 2)?)$", page.text, re.MULTILINE)[:3]


@pytest.mark.parametrize(
    ("response", "shown"),
    [
        ("'<p>Hi</p>'", ["200 OK · text/html", "<p>Hi</p>"]),
        ("{json: {a: 1, b: [é]}, status: 201}", ["201 Created · application/json", '{"a":1,"b":["é"]}']),
        ("{text: 'all of $${x}'}", ["200 OK · text/plain", "all of ${x}"]),
        ("{status: 204}", ["204 No Content"]),
        ("{file: note.md}", ["200 OK · text/markdown", "# Note"]),
        ("{file: image.png}", ["200 OK · image/png", "(4 bytes)"]),
    ],
)
def test_a_fixed_answer_is_shown_at_once(response: str, shown: list[str], app_of: AppOf, spec_folder: Path) -> None:
    (spec_folder / "note.md").write_text("# Note\n")
    (spec_folder / "image.png").write_bytes(b"\x89PNG")
    page = page_of(app_of(f"routes: [{{path: /a, input: {{}}, response: {response}}}]"))
    for text in shown:
        assert text in page.text


def test_an_answer_with_parameters_is_shown_as_the_spec_has_it(app_of: AppOf) -> None:
    page = page_of(app_of("routes: [{path: '/a/<int:id>', response: {json: {id: '${path.id}'}}}]"))
    assert '{"id":"${path.id}"}' in page.text


@pytest.mark.parametrize(("docs", "is_shown"), [("false", False), ("[ci]", True), ("[ci, other]", False)])
def test_a_guarded_answer_is_shown_to_those_alone_who_may_ask(
    docs: str, is_shown: bool, app_of: AppOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_TEST_SEES", KEY)
    monkeypatch.setenv("ENGINE_TEST_OTHER", KEY[::-1])
    keys = "[{name: ci, env: ENGINE_TEST_SEES}, {name: other, env: ENGINE_TEST_OTHER}]"
    service = f"service: {{auth: {{api_keys: {keys}}}, built_in: {{docs: {{auth: {docs}}}}}}}\n"
    app = app_of(service + "routes: [{path: /a, auth: [ci], response: {text: for ci alone}}]")
    assert is_shown == ("for ci alone" in page_of(app, **{"X-API-Key": KEY}).text)


@pytest.mark.parametrize(("count", "is_long"), [(9, False), (10, True)])
def test_a_long_list_of_endpoints_stays_and_can_be_searched(count: int, is_long: bool, app_of: AppOf) -> None:
    routes = ", ".join(f"{{path: /r{number}, response: hi}}" for number in range(count))
    page = page_of(app_of(f"routes: [{routes}]"))
    assert (is_long, int(is_long)) == (
        bool(page.all("body", **{"class": "long"})),
        len(page.all("input", type="search")),
    )


def test_a_section_is_the_first_tag_of_a_route_and_those_of_its_groups_come_last(app_of: AppOf) -> None:
    page = app_of(
        """routes:
  - prefix: /api
    tags: [api]
    routes:
      - {path: /a, tags: [products, new], response: hi}
      - {path: /b, tags: [orders], response: hi}
      - {prefix: /c, tags: [inner], routes: [{path: /d, response: hi}]}
      - {path: /e, response: hi}
"""
    )
    text = page.test_client().get("/docs").text
    assert ["products", "orders", "inner", "api", "Built in"] == re.findall(r"<h2 [^>]*>(.*?)</h2>", text)
    assert ["new, api", "api", "api"] == re.findall(r"Also tagged (.*?)</p>", text)


@pytest.mark.parametrize(
    ("schema", "slider"),
    [
        ({"type": "number", "minimum": 0, "maximum": 1}, {"min": "0", "max": "1", "step": "0.01"}),
        ({"type": "integer", "minimum": 1, "exclusiveMaximum": 6}, {"min": "1", "max": "5", "step": "1"}),
        ({"type": ["number", "null"], "minimum": 0, "maximum": 130}, {"min": "0", "max": "130", "step": "1.0"}),
        ({"type": "number", "minimum": 0, "maximum": 9, "multipleOf": 3}, {"min": "0", "max": "9", "step": "3"}),
        ({"type": "number", "minimum": 0}, {}),
        ({"type": "number", "minimum": 2, "maximum": 2}, {}),
        ({"type": "number", "minimum": -1e300, "maximum": 1e300}, {}),
        ({"type": "integer", "minimum": -(10**400), "maximum": 10**400}, {}),
        ({"enum": [1, 2], "minimum": 0, "maximum": 3}, {}),
        ({"type": "string", "maxLength": 3}, {}),
    ],
)
def test_a_number_between_bounds_has_a_slider(schema: Any, slider: dict[str, str]) -> None:
    (field,) = body_fields(InstanceSchema({"type": "object", "properties": {"x": schema}}))
    assert slider == dict(field.slider)


@pytest.mark.parametrize(
    ("schema", "limits", "placeholder"),
    [
        ({"type": "number"}, "", "number"),
        ({"type": ["number", "null"]}, "", None),
        ({"type": ["string", "null"], "maxLength": 3}, "at most 3 characters", None),
        ({"type": "string", "format": "date"}, "", None),
        ({"type": "string", "format": "date-time"}, "a date and time", None),
        ({"type": ["string", "null"], "format": "time"}, "a time, such as 09:30:00Z", None),
        ({"type": "integer", "minimum": 1}, "whole number, at least 1", None),
        ({"type": "string", "minLength": 1, "maxLength": 11}, "at least 1 character, at most 11 characters", None),
        ({"type": "string", "default": "a"}, 'default: "a"', None),
    ],
)
def test_a_form_does_not_say_what_it_shows(schema: Any, limits: str, placeholder: str | None) -> None:
    (field,) = body_fields(InstanceSchema({"type": "object", "required": ["x"], "properties": {"x": schema}}))
    assert (limits, placeholder) == (field.limits, field.attributes.get("placeholder"))


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (Report("sklearn"), "scikit-learn"),
        (
            Report("native", rows=40_312, speed_up_one=2034.4),
            "Trees compiled to C, exact on 40,312 rows, 2,034 times faster than scikit-learn",
        ),
        (
            Report("onnx", verdict="close", rows=1, speed_up_one=3.14),
            "ONNX Runtime, within tolerance on 1 row, 3.1 times faster than scikit-learn",
        ),
        (Report("sklearn", library="XGBoost"), "XGBoost"),
        (
            Report("native", rows=2, speed_up_one=150.0, library="LightGBM"),
            "Trees compiled to C, exact on 2 rows, 150 times faster than LightGBM",
        ),
        (Report("numpy", rows=9, instead="no C here"), "NumPy arrays"),
        (Report("numpy", verdict="not proven"), "NumPy arrays"),
    ],
)
def test_a_runtime_is_told_with_its_proof(report: Report, words: str) -> None:
    assert words == runtime_in_words(report)


@pytest.mark.parametrize(
    ("schema", "form"),
    [
        ({"type": "integer"}, "integer"),
        ({}, "any value"),
        (True, "any value"),
        ({"enum": ["a", "é"]}, '"a" | "é"'),
        ({"type": "array", "items": {"type": "number"}}, "[number, …]"),
        ({"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3}, "[number, … (3 items)]"),
        ({"properties": {"a": {"type": "number"}}}, '{\n  "a": number\n}'),
        ({"enum": list(range(20))}, " | ".join(map(str, range(12))) + " | …"),
    ],
)
def test_a_schema_is_written_as_the_form_of_an_answer(schema: Any, form: str) -> None:
    assert form == form_of(schema)
