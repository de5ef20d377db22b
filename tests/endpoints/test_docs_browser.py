"""The docs page in a real browser, headless Chromium, against a real server."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from browsing import card, obstacles, send
from conftest import train_iris
from playwright.sync_api import Browser, Locator, Page, Route, expect
from serving import Server, serving

from engine.endpoints import describe_spec
from engine.endpoints.docs.page import write_page
from engine.models import compile_models
from engine.spec import load_spec

pytest_plugins = ["browsers"]
# Each drives a browser.
pytestmark = pytest.mark.exhaustive

ROUTES = """
service: {title: Iris, errors: html}
routes:
  - {path: /predict, model: iris}
  - {path: /both, model: iris, methods: [GET, POST]}
  - {path: /row, model: row}
  - {path: /maybe, model: maybe, methods: [GET, POST]}
  - {path: /, response: "<p id=theirs>Hello</p>"}
  - {path: "/hello/<name>", response: {text: "Hello ${path.name}"}}
  - {path: /image, response: {text: "", headers: {Content-Type: image/png}}}
  - {path: /away, response: {status: 302, headers: {Location: /livez}}}
  - path: /feedback
    methods: [POST, PUT]
    input:
      type: object
      required: [stars, name]
      additionalProperties: false
      properties:
        stars: {type: integer, minimum: 1, maximum: 5}
        name: {type: string, default: "it's"}
        action: {enum: [yes, no, null]}
        sure: {type: boolean}
        big: {type: integer}
        rest: {type: object}
        day: {type: string, format: date}
      allOf: [{not: {required: [sure, big]}}]
    response: {status: 201, json: {thanks: true}}
"""
MODELS = """
models:
  iris:
    file: build/model.pkl
    output: {labels: [setosa, versicolor, virginica], probabilities: true}
    input:
      type: object
      required: [sepal_length, sepal_width, petal_length, petal_width]
      properties:
        sepal_length: {type: number, minimum: 0, maximum: 20}
        sepal_width: {type: number}
        petal_length: {type: number}
        petal_width: {type: number}
    examples:
      - {input: {sepal_length: 5.9, sepal_width: 3.0, petal_length: 5.1, petal_width: 1.8}, result: 2}
  row:
    file: build/model.pkl
    input: {type: array, items: {type: number}, minItems: 4, maxItems: 4}
  maybe:
    file: build/model.pkl
    input:
      type: object
      required: [age, paid, size]
      properties:
        age: {type: [number, "null"]}
        paid: {type: [boolean, "null"], default: null}
        size: {anyOf: [{type: integer}, {type: boolean}, {type: "null"}]}
        rest: {type: [number, "null"], default: 0}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("docs")
    shutil.copytree(train_iris(tmp_path_factory, trees=30).parent, folder / "build")
    (folder / "routes.yaml").write_text(ROUTES)
    (folder / "models.yaml").write_text(MODELS)
    with serving(folder, "-w", "1", "--no-reload") as running:
        yield running


def test_a_form_asks_the_model_and_shows_its_answer_large(visit: Callable[..., Page]) -> None:
    found = card(visit(), "/predict")
    assert "5.9" == found.get_by_label("sepal_length", exact=True).input_value()
    send(found)
    headline = found.locator("[role=status] .headline")
    expect(headline).to_have_text("virginica")
    assert headline.evaluate("e => parseFloat(getComputedStyle(e).fontSize)") >= 27
    rows = found.locator(".bars tr")
    expect(rows).to_have_count(3)
    assert ["virginica", "versicolor", "setosa"] == found.locator(".bars th").all_text_contents()
    widths = [bar.bounding_box()["width"] for bar in found.locator(".track div").all()]
    assert widths == sorted(widths, reverse=True)
    assert widths[0] > 10 * widths[1]
    expect(found.locator("[data-outcome] .quiet")).to_have_text(re.compile(r"^200 OK · \d+ ms$"))
    found.locator("[data-rest] summary").first.click()
    assert [2] == json.loads(found.locator("[data-rest] pre").first.inner_text())["result"]


def test_violations_stand_beside_their_fields(visit: Callable[..., Page]) -> None:
    page = visit()
    found = card(page, "/predict")
    found.get_by_label("sepal_length", exact=True).fill("99")
    found.get_by_label("petal_width").fill("")
    send(found)
    faults = found.get_by_role("group", name="Errors")
    expect(faults).to_be_focused()
    told = ["sepal_length: 99 is greater than the maximum of 20", '"petal_width" is required']
    expect(faults.get_by_role("listitem")).to_have_text(told)
    expect(found.locator(".headline")).to_have_text("2 things to correct")
    expect(found.locator("[data-outcome] p + p")).to_have_text(re.compile(r"^422 Unprocessable Content · \d+ ms$"))
    wide, missing = found.get_by_label("sepal_length", exact=True), found.get_by_label("petal_width")
    expect(wide).to_have_attribute("aria-invalid", "true")
    expect(wide).to_have_accessible_description(re.compile("99 is greater than the maximum of 20"))
    expect(missing).to_have_accessible_description(re.compile('"petal_width" is required'))
    faults.get_by_role("link", name="sepal_length: 99").click()
    expect(wide).to_be_focused()
    wide.fill("5.9")
    missing.fill("1.8")
    send(found)
    expect(found.locator(".headline")).to_have_text("virginica")
    expect(found.locator("[aria-invalid]")).to_have_count(0)
    expect(faults).to_be_hidden()


def test_a_violation_of_no_field_stands_in_the_summary(visit: Callable[..., Page]) -> None:
    found = card(visit(), "/feedback")
    found.get_by_label("sure").select_option("true")
    found.get_by_label("big").fill("12345678901234567890")
    send(found)
    faults = found.get_by_role("group", name="Errors")
    expect(faults).to_be_focused()
    expect(faults.get_by_role("link")).to_have_count(0)
    expect(faults.get_by_role("listitem")).to_have_count(1)
    expect(found.locator(".headline")).to_have_text("1 thing to correct")
    assert '"big": 12345678901234567890' in found.locator("[data-curl]").inner_text()


def test_what_cannot_be_sent_is_told_before(visit: Callable[..., Page]) -> None:
    page = visit()
    found = card(page, "/feedback")
    found.get_by_label("rest").fill("{no json}")
    found.get_by_label("stars", exact=True).fill("")
    found.get_by_label("stars", exact=True).press_sequentially("1e")
    send(found)
    expect(found.get_by_role("group", name="Errors").get_by_role("listitem")).to_have_count(2)
    expect(found.locator("[data-outcome]")).to_have_text("2 things to correctNothing was sent")
    expect(found.get_by_label("rest")).to_have_accessible_description(re.compile("This is not JSON"))
    expect(found.get_by_label("stars", exact=True)).to_have_accessible_description(re.compile("This is not a number"))
    hello = card(page, "/hello/{name}")
    hello.get_by_label("name").fill("")
    send(hello)
    expect(hello.get_by_label("name")).to_have_accessible_description("The path needs a value here.")


def test_the_curl_command_does_in_a_shell_what_the_page_does(visit: Callable[..., Page]) -> None:
    page = visit()
    for path, expected in (("/predict", "virginica"), ("/both", "virginica"), ("/feedback", "thanks"), ("/row", "[")):
        done = subprocess.run(
            ["bash", "-c", card(page, path).locator("[data-curl]").inner_text()],
            capture_output=True,
            text=True,
            check=True,
        )
        assert expected in done.stdout
    hello = card(page, "/hello/{name}")
    hello.get_by_label("name").fill("it's $HOME/ü & [x]{y}")
    command = hello.locator("[data-curl]").inner_text()
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert "404" in done.stdout
    hello.get_by_label("name").fill("it's $HOME ü?&#% [x]{y}")
    done = subprocess.run(
        ["bash", "-c", hello.locator("[data-curl]").inner_text()], capture_output=True, text=True, check=True
    )
    assert "Hello it's $HOME ü?&#% [x]{y}" == done.stdout


def test_the_python_snippet_runs(visit: Callable[..., Page]) -> None:
    page = visit()
    feedback = card(page, "/feedback")
    feedback.get_by_label("name", exact=True).fill('true "null" \\/ \\u0041 ü 🦋')
    feedback.get_by_label("action").select_option("(empty)")
    feedback.get_by_label("sure").select_option("false")
    feedback.get_by_label("rest").fill('{"a\\/b": [true, null, 1e3, "\\ud83e\\udd8b"]}')
    for path, expected in (("/predict", "virginica"), ("/both", "virginica"), ("/feedback", '{"thanks":true}')):
        snippet = card(page, path).locator("[data-python]").inner_text()
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", snippet], capture_output=True, text=True, check=False
        )
        assert ("", True) == (done.stderr, expected in done.stdout)
    sent = snippet.replace("print(answer", "import sys; sys.stdout.write(json.dumps(body) + '\\n'); (answer")
    done = subprocess.run([sys.executable, "-c", sent], capture_output=True, text=True, check=True)
    assert {
        "stars": 1,
        "name": 'true "null" \\/ \\u0041 ü 🦋',
        "action": None,
        "sure": False,
        "rest": {"a/b": [True, None, 1000.0, "🦋"]},
    } == json.loads(done.stdout)


def test_the_commands_follow_what_is_typed_and_can_be_copied(visit: Callable[..., Page]) -> None:
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    found = card(page, "/predict")
    found.get_by_label("sepal_length", exact=True).fill("4.25")
    found.get_by_role("button", name="Copy the curl command").click()
    expect(found.get_by_role("status").filter(has_text="Copied")).to_have_count(1)
    copied = page.evaluate("navigator.clipboard.readText()")
    assert '"sepal_length": 4.25' in copied
    assert copied == found.locator("[data-curl]").text_content()


def test_the_page_shows_the_same_curl_command_with_and_without_a_script(
    visit: Callable[..., Page], server: Server
) -> None:
    plain = visit(java_script_enabled=False).locator("[data-curl]").all_text_contents()
    scripted = visit().locator("[data-curl]").all_text_contents()
    here = f"http://127.0.0.1:{server.port}"
    joined = [re.sub(r'"\$SERVICE"(\'?)', rf"\1{here}", command) for command in plain]
    assert joined == scripted


def test_null_goes_into_a_query_as_an_empty_value(visit: Callable[..., Page]) -> None:
    page = visit()
    found = card(page, "/maybe")
    expect(found.locator("label", has_text="or empty")).to_have_text(["age or empty"])
    assert (None, None) == tuple(
        found.get_by_label("age").get_attribute(name) for name in ("placeholder", "aria-required")
    )
    expect(found.get_by_label("paid").locator("option", has_text="empty")).to_have_text(["(empty)"])
    found.get_by_label("age").fill("")
    found.get_by_label("size").fill("null")
    found.get_by_label("rest").fill("")
    send(found)
    expect(found.locator("[data-outcome]")).to_contain_text("200 OK")
    assert found.locator("[data-curl]").inner_text().endswith("/maybe?age=&paid=&size='")


def test_a_body_can_be_written_as_json(visit: Callable[..., Page]) -> None:
    found = card(visit(), "/predict")
    expect(found.locator("[data-batch]")).to_have_text('Several instances in one request: {"instances": […]}')
    found.get_by_label("Edit as JSON").check()
    written = found.get_by_role("textbox", name="Body")
    body = json.loads(written.input_value())
    assert 5.9 == body["sepal_length"]
    written.fill(json.dumps({"instances": [body, body]}))
    send(found)
    expect(found.locator(".headline")).to_have_text("2 predictions")
    assert ["virginica"] * 2 == found.locator("[data-rest] li").all_text_contents()
    written.fill(json.dumps({"instances": [body, {}]}))
    send(found)
    expect(found.locator(".headline")).to_have_text("4 things to correct")
    faults = found.get_by_role("group", name="Errors").get_by_role("listitem")
    expect(faults.first).to_have_text('#/instances/1: "sepal_length" is required')
    expect(written).to_have_accessible_description(re.compile(r"The errors are listed beside this field\.$"))
    written.fill(json.dumps({"instances": [{}] * 30}))
    send(found)
    expect(found.locator(".headline")).to_have_text("120 things to correct")
    expect(found.locator("[data-outcome]")).to_contain_text("120 violations, the first 100 of them here")


def test_a_body_that_somebody_wrote_stays_until_the_fields_change(visit: Callable[..., Page]) -> None:
    found = card(visit(), "/both")
    found.get_by_label("Method").select_option("POST")
    as_json, written = found.get_by_label("Edit as JSON"), found.get_by_role("textbox", name="Body")
    link = found.get_by_role("link", name="Share these values")
    as_json.check()
    expect(link).to_be_hidden()
    written.fill('{"mine": true}')
    as_json.uncheck()
    expect(link).to_be_visible()
    as_json.check()
    expect(written).to_have_value('{"mine": true}')
    as_json.uncheck()
    found.get_by_label("sepal_width").fill("3.25")
    as_json.check()
    assert 3.25 == json.loads(written.input_value())["sepal_width"]


def test_an_answer_says_when_it_is_not_for_what_the_fields_say_now(visit: Callable[..., Page]) -> None:
    found = card(visit(), "/predict")
    width, said = found.get_by_label("sepal_width"), found.locator("[data-stale]")
    width.fill("")
    send(found)
    expect(width).to_have_attribute("aria-invalid", "true")
    expect(said).to_be_empty()
    width.fill("3.5")
    expect(width).not_to_have_attribute("aria-invalid", "true")
    expect(width).to_have_accessible_description("")
    expect(found.get_by_role("status").filter(has_text="Result for the previous values")).to_have_count(1)
    send(found)
    expect(found.locator(".headline")).to_have_text("virginica")
    expect(said).to_be_empty()
    found.get_by_label("Edit as JSON").check()
    expect(said).to_be_empty()
    written = found.get_by_role("textbox", name="Body")
    before = written.input_value()
    written.fill(before.replace("3.5", "2.5"))
    expect(said).to_have_text("Result for the previous values")
    assert found.locator(".headline").evaluate("e => getComputedStyle(e).color") == said.evaluate(
        "e => getComputedStyle(e).color"
    )
    written.fill(before)
    expect(said).to_be_empty()


def test_an_array_has_a_field_for_each_number(visit: Callable[..., Page]) -> None:
    found = card(visit(), "/row")
    for number, value in enumerate(("5.9", "3.0", "5.1", "1.8"), 1):
        found.get_by_label(f"Item {number}").fill(value)
    send(found)
    expect(found.locator(".headline")).to_have_text("2")


def answered(page: Page, path: str, answer: dict[str, object]) -> Locator:
    """The card of a model that answers so."""
    page.route(f"**{path}", lambda route: route.fulfill(content_type="application/json", body=json.dumps(answer)))
    found = card(page, path)
    send(found)
    expect(found.locator(".headline")).to_be_visible()
    return found


def test_what_is_nearly_certain_is_not_shown_as_certain(visit: Callable[..., Page]) -> None:
    chances = {"a": 0.9996, "b": 0.0004, "c": 0.0, "d": 1.0, "e": 0.5}
    found = answered(visit(), "/predict", {"result": [1], "probabilities": [chances]})
    rows = {row.locator("th").inner_text(): row for row in found.locator(".bars tr").all()}
    told = {"d": ("100.0%", 1), "a": (">99.9%", 1), "e": ("50.0%", 1), "b": ("<0.1%", 1), "c": ("0.0%", 0)}
    assert told == {
        name: (row.locator("td").last.inner_text(), row.locator(".track div").count()) for name, row in rows.items()
    }


def test_several_outputs_of_a_model_are_listed(visit: Callable[..., Page]) -> None:
    page = visit()
    found = answered(page, "/predict", {"result": [[0, 2.5]]})
    expect(found.locator(".headline")).to_have_text("2 values")
    expect(found.locator("[data-rest] ol li")).to_have_text(["0", "2.5"])
    found = answered(page, "/row", {"result": [[0, 2.5], [1, 3]]})
    expect(found.locator(".headline")).to_have_text("2 predictions")
    expect(found.locator("[data-rest] ol li")).to_have_text(["[0,2.5]", "[1,3]"])


def test_a_curl_command_is_wrapped_and_as_high_as_the_snippet_beside_it(visit: Callable[..., Page]) -> None:
    for width, path in ((1280, "/predict"), (800, "/both"), (390, "/both")):
        found = card(visit(viewport={"width": width, "height": 900}), path)
        code, python = (found.get_by_role("group", name=name) for name in ("curl command", "Python snippet"))
        assert code.evaluate("e => e.scrollWidth <= e.clientWidth"), width
        one, other = code.bounding_box(), python.bounding_box()
        assert (one["y"] != other["y"]) or one["height"] == other["height"]
        assert (width == 1280) == (one["y"] == other["y"])
    body = card(visit(), "/predict").locator("[data-curl]").inner_text().partition("--data-raw ")[2]
    assert (
        """'{
    "sepal_length": 5.9,
    "sepal_width": 3.0,
    "petal_length": 5.1,
    "petal_width": 1.8
  }'"""
        == body
    )


def test_a_date_is_picked(visit: Callable[..., Page]) -> None:
    found = card(visit(), "/feedback")
    day = found.get_by_label("day")
    expect(day).to_have_attribute("type", "date")
    expect(day).to_have_accessible_description("")
    day.fill("2024-02-29")
    assert '"day": "2024-02-29"' in found.locator("[data-curl]").inner_text()
    day.fill("")
    assert '"day"' not in found.locator("[data-curl]").inner_text()


def test_long_code_scrolls_by_keyboard_too(visit: Callable[..., Page]) -> None:
    page = visit(viewport={"width": 390, "height": 740})
    found = card(page, "/predict")
    found.get_by_label("Edit as JSON").check()
    written = found.get_by_role("textbox", name="Body")
    written.fill(json.dumps({"instances": [json.loads(written.input_value())] * 30}, indent=2))
    code = found.get_by_role("group", name="curl command")
    assert code.bounding_box()["height"] <= 520
    code.focus()
    page.keyboard.press("End")
    page.wait_for_function("e => e.scrollTop > 1000", arg=code.element_handle())
    written.fill('{"a": 1.0, "b": [ ], "c": "[, ]"}')
    send(found)
    expect(found.locator("[data-python]")).to_contain_text('body = {"a": 1.0, "b": [], "c": "[, ]"}')
    longer = '{"sepal_length": 1.50, "b": [ ], "c": "x: [1, \\"2]", "d": [1e3, {"e": null}]}'
    written.fill(longer)
    laid_out = """body = {
  "sepal_length": 1.50,
  "b": [],
  "c": "x: [1, \\"2]",
  "d": [
    1e3,
    {
      "e": None
    }
  ]
}
request"""
    expect(found.locator("[data-python]")).to_contain_text(laid_out, use_inner_text=True)


def test_what_is_built_in_is_folded_and_a_link_leads_into_it(visit: Callable[..., Page]) -> None:
    page = visit()
    expect(page.locator("#endpoints").get_by_role("heading", name="/livez")).to_be_hidden()
    page.goto("/docs#get-livez")
    expect(page.locator("#get-livez")).to_be_in_viewport()


def test_a_badge_differs_from_the_ground(visit: Callable[..., Page]) -> None:
    page = visit(viewport={"width": 390, "height": 740})
    colour = "e => getComputedStyle(e).backgroundColor"
    link = page.locator("nav li a", has=page.locator(".method.get")).first
    badge = link.locator(".method.get")
    assert badge.evaluate(colour) not in (page.locator("body").evaluate(colour), "rgb(243, 243, 240)")
    path = link.locator("bdi")
    path.evaluate("e => { e.textContent = '/long'.repeat(40); }")
    assert path.bounding_box()["x"] > badge.bounding_box()["x"] + badge.bounding_box()["width"]
    assert path.bounding_box()["y"] < badge.bounding_box()["y"] + badge.bounding_box()["height"]


def test_a_method_is_chosen_where_there_are_several(visit: Callable[..., Page]) -> None:
    page = visit()
    found = card(page, "/feedback")
    found.get_by_label("Method").select_option("PUT")
    with page.expect_request(lambda request: request.url.endswith("/feedback")) as sent:
        send(found)
    assert "PUT" == sent.value.method
    expect(found.locator(".headline")).to_have_text("201 Created")


def test_html_is_shown_as_text(visit: Callable[..., Page]) -> None:
    page = visit()
    found = card(page, "/")
    send(found)
    expect(found.locator("[data-rest] pre").first).to_have_text("<p id=theirs>Hello</p>")
    assert 0 == page.locator("#theirs").count()


@pytest.mark.parametrize(("path", "expected"), [("/image", "200 OK"), ("/away", "A redirect"), ("/-/status", "200 OK")])
def test_every_endpoint_can_be_asked(path: str, expected: str, visit: Callable[..., Page]) -> None:
    found = card(visit(), path)
    send(found)
    expect(found.locator(".headline")).to_have_text(expected)


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (401, "Enter a key"),
        (403, "may not be used"),
        (429, "Retry in 7 s."),
        (503, "Retry in 7 s."),
        (500, "Request id: 4f"),
    ],
)
def test_a_refusal_says_what_to_do(status: int, told: str, visit: Callable[..., Page]) -> None:
    page = visit()
    problem = {"title": "Refused", "status": status, "detail": "why", "request_id": "4f"}
    headers = {"Content-Type": "application/problem+json", "Retry-After": "7"}
    page.route("**/predict", lambda route: route.fulfill(status=status, headers=headers, body=json.dumps(problem)))
    found = card(page, "/predict")
    send(found)
    outcome = found.locator("[data-outcome]")
    expect(outcome).to_contain_text("Refused")
    expect(outcome).to_contain_text("why")
    expect(outcome).to_contain_text(told)


def test_a_service_that_does_not_answer_is_told(visit: Callable[..., Page]) -> None:
    page = visit()
    page.route("**/predict", lambda route: route.abort())
    found = card(page, "/predict")
    send(found)
    expect(found.locator(".headline")).to_have_text("No answer")
    page.unroute("**/predict")
    send(found)
    expect(found.locator(".headline")).to_have_text("virginica")


def test_a_key_is_sent_where_it_is_wanted_and_kept_nowhere(visit: Callable[..., Page], server: Server) -> None:
    spec = load_spec(server.folder / "routes.yaml")
    routes = (replace(route, allowed=("ci",) if route.path in ("/predict", "/both") else None) for route in spec.routes)
    spec = replace(spec, routes=tuple(routes))
    facts = {name: predictor.facts for name, predictor in compile_models(spec).items()}
    html = write_page("/docs", spec, describe_spec(spec, facts), facts)
    page = visit("/livez")
    page.route("**/docs", lambda route: with_body(route, html))
    page.goto("/docs")
    page.get_by_label("API key").fill("s3cret")
    for path, expected in (("/predict", "s3cret"), ("/row", None)):
        with page.expect_request(f"**{path}") as sent:
            send(card(page, path))
        assert expected == sent.value.headers.get("x-api-key")
    shown = card(page, "/predict").locator("[data-curl]").inner_text()
    assert ('"X-API-Key: $API_KEY"' in shown, "s3cret" in shown) == (True, False)
    assert "os.environ" in card(page, "/predict").locator("[data-python]").inner_text()
    assert '[0,0,""]' == page.evaluate("JSON.stringify([localStorage.length, sessionStorage.length, document.cookie])")


def test_a_guarded_service_is_asked_with_its_key(
    chromium: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_TEST_KEY", "key-0123456789abcdef")
    (tmp_path / "routes.yaml").write_text(
        "service:\n  auth: {api_keys: [{name: ci, env: ENGINE_TEST_KEY}]}\n  built_in: {docs: {auth: false}}\n"
        "routes: [{path: /, response: {text: hello}}]"
    )
    with serving(tmp_path, "-w", "1") as guarded:
        page = chromium.new_page(base_url=f"http://127.0.0.1:{guarded.port}")
        page.goto("/docs")
        found = card(page, "/")
        send(found)
        expect(found.locator(".headline")).to_have_text("Unauthorized")
        expect(found).to_contain_text("an API key is required")
        page.get_by_label("API key").fill("key-0123456789abcdef")
        send(found)
        expect(found).to_contain_text("200 OK")
        page.context.close()


def with_body(route: Route, body: bytes) -> None:
    """Answer as the service does, with another body."""
    route.fulfill(response=route.fetch(), body=body)


def test_everything_can_be_done_by_keyboard(visit: Callable[..., Page]) -> None:
    page = visit()
    keys = page.keyboard
    keys.press("Tab")
    expect(page.get_by_role("link", name="Skip to the endpoints")).to_be_focused()
    keys.press("Enter")
    first = card(page, "/predict")
    for _ in range(3):
        keys.press("Tab")
        if first.get_by_label("sepal_length", exact=True).evaluate("e => e === document.activeElement"):
            break
    expect(first.get_by_label("sepal_length", exact=True)).to_be_focused()
    outline = first.get_by_label("sepal_length", exact=True).evaluate("e => getComputedStyle(e).outline")
    assert "3px" in outline
    keys.press("Control+a")
    keys.type("99")
    keys.press("Enter")
    expect(first.get_by_role("group", name="Errors")).to_be_focused()
    keys.press("Tab")
    keys.press("Enter")
    expect(first.get_by_label("sepal_length", exact=True)).to_be_focused()
    keys.press("Control+a")
    keys.type("5.9")
    keys.press("Enter")
    expect(first.locator(".headline")).to_have_text("virginica")
    expect(first.get_by_label("sepal_length", exact=True)).to_be_focused()


@pytest.mark.parametrize("width", [320, 360, 768])
def test_nothing_is_wider_than_a_phone(width: int, visit: Callable[..., Page]) -> None:
    page = visit(viewport={"width": width, "height": 740}, is_mobile=True, has_touch=True)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    found = card(page, "/predict")
    found.get_by_label("sepal_length", exact=True).fill("99")
    send(found)
    expect(found.get_by_role("group", name="Errors")).to_be_focused()
    assert width == page.evaluate("document.documentElement.scrollWidth")
    for button in page.get_by_role("button", name="Send").all():
        assert button.bounding_box()["height"] >= 44


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_stands_in_anybodys_way(scheme: str, visit: Callable[..., Page]) -> None:
    """By axe: names, roles, contrast, headings, landmarks; before anything is sent, and with answers and violations."""
    page = visit(color_scheme=scheme)
    assert [] == obstacles(page)
    send(card(page, "/both"))
    expect(card(page, "/both").locator(".bars tr")).to_have_count(3)
    found = card(page, "/predict")
    found.get_by_label("sepal_length", exact=True).fill("99")
    send(found)
    expect(found.get_by_role("group", name="Errors")).to_be_focused()
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert [] == obstacles(page)
    found.get_by_label("sepal_length", exact=True).fill("98")
    card(page, "/both").get_by_label("sepal_length", exact=True).fill("4")
    expect(page.locator(".stale")).to_have_count(2)
    assert [] == obstacles(page)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ("rgb(247, 247, 245)" if scheme == "light" else "rgb(19, 20, 22)") == ground


def test_bars_keep_still_where_motion_is_not_wanted(visit: Callable[..., Page]) -> None:
    found = card(visit(reduced_motion="reduce"), "/predict")
    send(found)
    assert "none" in found.locator(".track div").first.evaluate("e => getComputedStyle(e).transition")


def test_without_a_script_nothing_pretends_to_work(visit: Callable[..., Page]) -> None:
    page = visit(java_script_enabled=False)
    expect(page.locator("noscript .note")).to_be_visible()
    for path in [found.get_attribute("data-path") for found in page.locator("[data-card]").all()]:
        card(page, path)
    shown = [button.text_content() for button in page.get_by_role("button").all() if button.is_visible()]
    assert ["Send to /both", "Send to /maybe", "Send to /", "Send to /image", "Send to /away"] == shown[:5]
    assert all(text.startswith("Send to /") for text in shown)
    assert 'curl "$SERVICE"/predict' in page.locator("[data-curl]").first.inner_text()
    assert "SERVICE in them is whatever comes before /docs in this page's address." in page.inner_text("noscript")
    expect(page.locator("#post-predict input").first).to_be_disabled()
    expect(page.locator("#post-predict")).to_contain_text("from 0 to 20")


def test_a_model_is_asked_without_a_script(visit: Callable[..., Page]) -> None:
    page = visit(java_script_enabled=False)
    send(card(page, "/both"))
    assert ["virginica"] == json.loads(page.locator("body").inner_text())["labels"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_of_an_error_looks_like_the_docs(scheme: str, visit: Callable[..., Page]) -> None:
    look = """() => ["body", "h1", "a[href*=docs]"].map((name) => {
      const look = getComputedStyle(document.querySelector(name));
      const { backgroundColor, color, fontFamily, fontSize, fontWeight } = look;
      return name.startsWith("a") ? [color] : [backgroundColor, color, fontFamily, fontSize, fontWeight];
    })"""
    docs = visit(color_scheme=scheme)
    lost = visit("/nowhere", color_scheme=scheme)
    assert docs.evaluate(look.replace("a[href*=docs]", "a[href*=reference]")) == lost.evaluate(look)
    assert [] == obstacles(lost)
    lost.set_viewport_size({"width": 320, "height": 740})
    assert 320 == lost.evaluate("document.documentElement.scrollWidth")


def test_the_reference_lists_expands_and_executes(visit: Callable[..., Page], server: Server) -> None:
    page = visit("/docs/reference")
    operation = page.locator(".opblock").filter(has=page.locator('[data-path="/predict"]'))
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Execute").click()
    expect(page.get_by_text("Built in", exact=True)).to_be_visible()
    expect(page.locator(".servers")).to_be_hidden()
    answer = operation.locator(".live-responses-table")
    expect(answer).to_contain_text("virginica")
    expect(operation.locator(".request-url")).to_contain_text(f"http://127.0.0.1:{server.port}/predict")
    page.get_by_role("link", name="Back to the docs").click()
    expect(page.get_by_role("heading", name="Iris", exact=True)).to_be_visible()


def test_behind_a_prefix_everything_works_below_it(visit: Callable[..., Page], server: Server) -> None:
    page = visit("/livez")

    def strip(route: Route) -> None:
        route.fulfill(response=route.fetch(url=route.request.url.replace("/prefix/", "/")))

    page.route("**/prefix/**", strip)
    page.goto("/prefix/docs")
    found = card(page, "/predict")
    send(found)
    expect(found.locator(".headline")).to_have_text("virginica")
    assert f"http://127.0.0.1:{server.port}/prefix/predict" in found.locator("[data-curl]").inner_text()
    page.goto("/prefix/docs/reference")
    operation = page.locator(".opblock").filter(has=page.locator('[data-path="/predict"]'))
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table")).to_contain_text("virginica")
    expect(operation.locator(".request-url")).to_contain_text(f"http://127.0.0.1:{server.port}/prefix/predict")
    expect(page.get_by_role("link", name="Back to the docs")).to_have_attribute("href", re.compile("docs$"))
