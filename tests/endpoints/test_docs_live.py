"""The form of a model answers while its controls move: sliders, examples, links, thresholds and files, in Chromium."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import joblib
import pytest
from browsing import card, obstacles, send
from playwright.sync_api import Locator, Page, Route, expect
from serving import Server, serving
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

pytest_plugins = ["browsers"]
# Each drives a browser.
pytestmark = pytest.mark.exhaustive

ROUTES = """
service: {title: Irises}
routes:
  - {path: /species, model: species}
  - {path: /large, model: large, methods: [GET, POST]}
""" + "".join(f"  - {{path: /fixed/{number}, response: hi, tags: [fixed]}}\n" for number in range(9))
MODELS = """
models:
  species:
    file: build/model.pkl
    output: {labels: [setosa, versicolor, virginica], probabilities: true}
    input:
      type: object
      required: [sepal_length, sepal_width, petal_length, petal_width]
      properties:
        note: {}
        sepal_length: {type: number, minimum: 4, maximum: 8}
        sepal_width: {type: number, minimum: 2, maximum: 5}
        petal_length: {type: number, minimum: 1, maximum: 7}
        petal_width: {type: number, minimum: 0, maximum: 3}
    features: [sepal_length, sepal_width, petal_length, petal_width]
    examples:
      - {input: {sepal_length: 5.9, sepal_width: 3.0, petal_length: 5.1, petal_width: 1.8}, result: 2}
      - {input: {sepal_length: 5.1, sepal_width: 3.5, petal_length: 1.4, petal_width: 0.2}, result: 0}
  large:
    file: build/large.joblib
    description: Pipeline(StandardScaler, LogisticRegression)
    threshold: {large: 0.3}
    output: {probabilities: true}
    input:
      type: object
      required: [length]
      properties:
        length: {type: number, minimum: 0, maximum: 8}
        unit: {enum: [cm, in]}
    features: [length]
"""
ROWS = '\ufeffsepal_length;sepal_width;petal_length;petal_width;name\r\n5.9;3.0;5.1;1.8;"a; b"\r\n5.1;3.5;1.4;0.2;c\r\n'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, iris_file: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("live")
    shutil.copytree(iris_file.parent, folder / "build")
    features, _ = load_iris(return_X_y=True)
    large = ["large" if length > 5 else "small" for length in features[:, 2]]
    joblib.dump(
        make_pipeline(StandardScaler(), LogisticRegression()).fit(features[:, 2:3], large),
        folder / "build" / "large.joblib",
    )
    (folder / "routes.yaml").write_text(ROUTES)
    (folder / "models.yaml").write_text(MODELS)
    with serving(folder, "-w", "1", "--no-reload") as running:
        yield running


def slide(found: Locator, name: str, value: str) -> None:
    found.get_by_label(f"{name}: slider").fill(value)


def requests_of(page: Page, path: str) -> list[str]:
    """What is sent to a path from now on."""
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.post_data or "") if request.url.endswith(path) else None)
    return sent


def choose_file(found: Locator, text: str) -> None:
    if found.locator("[data-rows]:not([open])").count():
        found.locator("[data-rows] > summary").click()
    file = {"name": "irises.csv", "mimeType": "text/csv", "buffer": text.encode()}
    found.locator("input[type=file]").set_input_files(file)


def test_the_form_of_the_model_is_above_the_fold(visit: Callable[..., Page]) -> None:
    for width, height in ((1280, 800), (820, 1100), (390, 844)):
        page = visit(viewport={"width": width, "height": height})
        field = card(page, "/species").get_by_label("sepal_length", exact=True).bounding_box()
        assert field["y"] + field["height"] < height, width
    assert '"labels": ["setosa" | "versicolor" | "virginica", …]' in card(page, "/species").inner_text()


def test_nothing_is_asked_until_somebody_moves_a_control(visit: Callable[..., Page]) -> None:
    page = visit()
    sent = requests_of(page, "/species")
    found = card(page, "/species")
    found.get_by_label("petal_length", exact=True).fill("1.4")
    page.wait_for_timeout(400)  # more than the time after which a moved control asks
    assert [] == sent
    slide(found, "petal_length", "1.5")
    expect(found.get_by_label("petal_length", exact=True)).to_have_value("1.5")
    expect(found.locator(".headline")).to_be_visible()
    assert [1.5] == [json.loads(body)["petal_length"] for body in sent]
    expect(found.locator("[data-preview]")).to_be_hidden()


def test_answers_follow_a_slider_at_most_five_times_a_second(visit: Callable[..., Page]) -> None:
    page = visit()
    sent = requests_of(page, "/species")
    found = card(page, "/species")
    drag = """async (slider) => {
      const begin = performance.now();
      for (let step = 0; step < 100; step++) {
        slider.value = 1 + step * 0.06;
        slider.dispatchEvent(new Event("input", { bubbles: true }));
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      return (performance.now() - begin) / 1000;
    }"""
    seconds = found.get_by_label("petal_length: slider").evaluate(drag)
    expect(found.locator("[data-outcome]")).to_contain_text("200 OK")
    expect(found.locator("[data-stale]")).to_be_empty()  # the last values have been sent
    page.wait_for_function("() => document.querySelector('[data-answer]').ariaBusy === 'false'")
    assert 2 <= len(sent) <= 5 * seconds + 2
    assert found.get_by_label("petal_length", exact=True).input_value() == str(json.loads(sent[-1])["petal_length"])


def test_a_stale_answer_is_not_shown(visit: Callable[..., Page]) -> None:
    page = visit()
    held: list[Route] = []
    answer = {"result": [0], "labels": ["setosa"]}

    def hold(route: Route) -> None:
        held.append(route)
        if len(held) > 1:
            route.fulfill(content_type="application/json", body=json.dumps(answer))

    page.route("**/species", hold)
    found = card(page, "/species")
    slide(found, "petal_length", "6")
    expect(found.locator("[data-answer]")).to_have_attribute("aria-busy", "true")
    page.wait_for_timeout(250)
    slide(found, "petal_length", "2")
    expect(found.locator(".headline")).to_have_text("setosa")
    assert "net::ERR_ABORTED" == held[0].request.failure


def test_too_many_requests_make_a_pause(visit: Callable[..., Page]) -> None:
    page = visit()
    sent = requests_of(page, "/species")
    refused = {"Retry-After": "1", "Content-Type": "application/problem+json"}
    page.route("**/species", lambda route: route.fulfill(status=429, headers=refused, body='{"title": "Slow down"}'))
    found = card(page, "/species")
    slide(found, "petal_length", "6")
    expect(found.locator(".headline")).to_have_text("Slow down")
    page.unroute("**/species")
    slide(found, "petal_length", "1.5")
    page.wait_for_timeout(400)
    assert 1 == len(sent)
    expect(found.locator(".headline")).to_have_text("setosa")
    assert 2 == len(sent)


def test_a_moved_control_takes_the_focus_from_nobody(visit: Callable[..., Page]) -> None:
    found = card(visit(), "/species")
    found.get_by_label("petal_width", exact=True).fill("99")
    slider = found.get_by_label("petal_length: slider")
    slider.focus()
    slider.press("ArrowRight")
    expect(found.locator(".headline")).to_have_text("1 thing to correct")
    expect(slider).to_be_focused()
    expect(found.get_by_label("petal_width", exact=True)).to_have_attribute("aria-invalid", "true")


def test_an_example_fills_the_form_and_is_asked(visit: Callable[..., Page]) -> None:
    found = card(visit(), "/species")
    found.get_by_role("button", name="setosa").click()
    expect(found.locator(".headline")).to_have_text("setosa")
    expect(found.get_by_label("sepal_length", exact=True)).to_have_value("5.1")
    assert "1.4" == found.get_by_label("petal_length: slider").input_value()
    order = found.locator(".bars th").all_text_contents()
    found.get_by_role("button", name="virginica").click()
    expect(found.locator(".headline")).to_have_text("virginica")
    assert order == found.locator(".bars th").all_text_contents()


def test_a_link_carries_the_values_in_its_fragment(visit: Callable[..., Page]) -> None:
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    found = card(page, "/large")
    found.get_by_label("length", exact=True).fill("6.25")
    found.get_by_label("unit").select_option("in")
    found.get_by_role("link", name="Share these values").click()
    expect(found.get_by_role("status").filter(has_text="Link copied")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    assert (link, link.endswith("#get-large?length=6.25&unit=%22in%22")) == (page.url, True)
    other = visit(link)
    sent = requests_of(other, "/large")
    expect(other.get_by_label("length", exact=True)).to_have_value("6.25")
    expect(other.locator("#get-large").get_by_label("unit")).to_have_value("in")
    expect(other.locator("#get-large")).to_be_in_viewport()
    assert [] == sent


def test_a_threshold_can_be_tried(visit: Callable[..., Page]) -> None:
    found = card(visit(), "/large")
    found.get_by_label("length", exact=True).fill("5.1")
    send(found)
    expect(found.locator(".headline")).to_have_text("large")
    bar = found.get_by_label('Try a threshold for "large"')
    assert "0.3" == bar.input_value()
    expect(found.locator("output")).to_have_text('0.30: "large"')
    bar.fill("0.9")
    expect(found.locator("output")).to_have_text('0.90: "small"')
    expect(found.locator(".headline")).to_have_text("large")


def test_a_file_of_rows_is_scored_and_can_be_downloaded(visit: Callable[..., Page]) -> None:
    page = visit()
    found = card(page, "/species")
    choose_file(found, ROWS)
    expect(found.locator("[data-scored]")).to_have_text("2 rows of irises.csv scored")
    cells = [row.locator("th, td") for row in found.locator(".table tr").all()]
    shown = [row.all_text_contents() for row in cells]
    added = len(shown[0]) - len(ROWS.partition("\n")[0].split(";"))
    assert ["prediction", "label"] == shown[0][:2]
    assert [["2", "virginica"], ["0", "setosa"]] == [row[:2] for row in shown[1:]]
    assert ["a; b", "c"] == [row[-1] for row in shown[1:]]
    assert all(re.fullmatch(r"[01]\.\d", cell) for row in shown[1:] for cell in row[2:added]), shown
    aligned = [cell.evaluate("e => getComputedStyle(e).textAlign") for cell in cells[1].all()]
    assert ["end", "start", *["end"] * (added + 2), "start"] == aligned
    with page.expect_download() as download:
        found.get_by_role("link", name="Download irises-scored.csv").click()
    text = Path(download.value.path()).read_bytes().decode()
    assert (True, 3, 3) == (text.startswith("\ufeff"), text.count("\r\n"), text.count("\n"))
    written = list(csv.reader(io.StringIO(text.removeprefix("\ufeff")), delimiter=";"))
    whole = [row.evaluate_all("(cells) => cells.map((cell) => cell.title || cell.textContent)") for row in cells]
    assert written == [[*row[added:], *row[:added]] for row in whole]
    assert '5.9;3.0;5.1;1.8;"a; b";2;virginica;' in text
    assert [] == obstacles(page)


def test_the_separator_of_a_file_is_the_one_that_names_the_most_features(visit: Callable[..., Page]) -> None:
    page = visit()
    found = card(page, "/species")
    rows = 'a,b,c,d,e,f;sepal_length;sepal_width;petal_length;"petal_width"\nx,y;5.9;3.0;5.1;1.8\n'
    choose_file(found, rows)
    expect(found.locator("[data-scored]")).to_have_text("1 row of irises.csv scored")
    with page.expect_download() as download:
        found.get_by_role("link", name="Download irises-scored.csv").click()
    text = Path(download.value.path()).read_bytes().decode()
    assert text.splitlines()[1].startswith("x,y;5.9;3.0;5.1;1.8;2;virginica;")


def test_rows_of_two_classes_are_counted_at_a_threshold(visit: Callable[..., Page]) -> None:
    found = card(visit(), "/large")
    choose_file(found, "length\n1\n5.5\n7\n")
    expect(found.locator(".rows output")).to_have_text('0.30: 2 of 3 rows are "large"')
    found.get_by_label('Try a threshold for "large"').fill("1")
    expect(found.locator(".rows output")).to_have_text('1.00: 0 of 3 rows are "large"')


def test_a_tried_threshold_is_a_column_of_the_table_and_of_the_download(visit: Callable[..., Page]) -> None:
    """The service's own predictions stay beside it, and are alone again at the service's own threshold."""
    page = visit()
    found = card(page, "/large")
    choose_file(found, "length\n" + "1\n5.5\n7\n" * 400)
    expect(found.locator("[data-scored]")).to_have_text("1,200 rows of irises.csv scored")
    assert "irises.csv" == found.locator("input[type=file]").evaluate("e => e.files[0].name")

    def tried(threshold: str, said: str) -> list[list[str]]:
        found.get_by_label('Try a threshold for "large"').fill(threshold)
        expect(found.locator(".rows output")).to_have_text(said)
        with page.expect_download() as download:
            found.get_by_role("link", name="Download irises-scored.csv").click()
        rows = [row[1:3] for row in csv.reader(io.StringIO(Path(download.value.path()).read_text()))]
        shown = found.locator(".table tr").all()[:4]
        chances = [row.locator(".number").first.inner_text() for row in shown[1:]]
        assert all(re.fullmatch(r"0\.\d{4}|\d\.\de-\d", chance) for chance in chances), chances
        assert [row[0] for row in rows[:4]] == [row.locator("th, td").first.inner_text() for row in shown]
        assert rows[1:4] * 400 == rows[1:]
        return rows[:4]

    named, *rows = tried("0.9", '0.90: 400 of 1,200 rows are "large"')
    assert ["prediction_at_0.90", "prediction"] == named
    assert [["small", "small"], ["small", "large"], ["large", "large"]] == rows
    named, *rows = tried("0.3", '0.30: 800 of 1,200 rows are "large"')
    assert ("prediction", ["small", "large", "large"]) == (named[0], [row[0] for row in rows])


def test_bad_rows_of_a_file_are_listed_by_their_lines(visit: Callable[..., Page]) -> None:
    found = card(visit(), "/species")
    choose_file(found, ROWS.replace("1.4", "x").replace("3.0", ""))
    said = found.locator("[data-scored]")
    expect(said.locator("p")).to_have_text(["2 things to correct"])
    expect(said.locator("li")).to_have_text(
        ['line 2: "sepal_width" is required', 'line 3, petal_length: "x" must be a number']
    )
    expect(found.locator(".table")).to_have_count(0)
    choose_file(found, "sepal_lenght\n1\n")
    expect(found.locator("[data-scored]")).to_contain_text("sepal_length")


def test_a_file_can_be_dropped(visit: Callable[..., Page]) -> None:
    page = visit()
    found = card(page, "/species")
    found.locator("[data-rows] > summary").click()
    data = page.evaluate_handle(
        "(text) => { const data = new DataTransfer(); data.items.add(new File([text], 'x.csv')); return data; }", ROWS
    )
    found.locator("[data-drop]").dispatch_event("drop", {"dataTransfer": data})
    expect(found.locator("[data-scored]")).to_have_text("2 rows of x.csv scored")
    assert "x.csv" == found.locator("input[type=file]").evaluate("e => e.files[0].name")


def test_a_column_that_may_be_anything_is_a_line_at_the_end(visit: Callable[..., Page]) -> None:
    """What is typed there need not be JSON, and is sent as JSON if it is."""
    page = visit()
    found = card(page, "/species")
    note = found.get_by_label("note")
    assert "note" == found.locator("[data-role=member]").last.get_attribute("data-field")
    assert "INPUT" == note.evaluate("e => e.tagName")
    sent = requests_of(page, "/species")
    for typed, meant in (("a b", "a b"), ("7.50", 7.5), ('{"a": [1]}', {"a": [1]})):
        note.fill(typed)
        send(found)
        expect(found.locator("[data-stale]")).to_be_empty()
        expect(found.locator(".headline")).to_have_text("virginica")
        assert meant == json.loads(sent[-1])["note"]


def test_a_slider_is_apart_from_its_field_and_in_the_middle_while_that_is_empty(visit: Callable[..., Page]) -> None:
    found = card(visit(), "/species")
    field, slider = found.get_by_label("petal_length", exact=True), found.get_by_label("petal_length: slider")
    slider.press("End")
    ring = slider.evaluate(
        "e => parseFloat(getComputedStyle(e).outlineWidth) + parseFloat(getComputedStyle(e).outlineOffset)"
    )
    above = field.bounding_box()
    assert slider.bounding_box()["y"] - ring >= above["y"] + above["height"]
    field.fill("")
    assert "4" == slider.input_value()
    expect(slider).to_have_class("unset")


def test_the_name_of_an_estimator_is_there_once_and_breaks_between_its_parts(visit: Callable[..., Page]) -> None:
    page = visit(viewport={"width": 345, "height": 844})
    code = page.locator("#get-large dd code").first
    assert "Pipeline(StandardScaler, LogisticRegression)" == code.text_content()
    assert 1 == page.locator("#get-large").text_content().lower().replace(" ", "").count("logisticregression")
    heights = "(code) => [...code.children].map((part) => part.getBoundingClientRect().height)"
    one, *others = code.evaluate(heights)
    assert [one, one] == others
    code.evaluate("(code) => { code.parentElement.style.width = '7rem'; }")  # too narrow for a part
    assert [one, 2 * one, 2 * one] == code.evaluate(heights)


def test_a_long_list_of_endpoints_is_searched(visit: Callable[..., Page]) -> None:
    page = visit(viewport={"width": 1280, "height": 800})
    search = page.get_by_label("Search the endpoints")
    search.fill("fixed 7")
    expect(page.locator("nav li:visible")).to_have_text(re.compile("/fixed/7"))
    expect(page.locator("[data-found]")).to_have_text("1 of 11 endpoints")
    search.fill("")
    expect(page.locator("nav li:visible")).to_have_count(11)
    page.locator("#get-fixed-8").scroll_into_view_if_needed()
    expect(search).to_be_in_viewport()


def test_a_search_above_the_endpoints_hides_those_that_are_not_found(visit: Callable[..., Page]) -> None:
    page = visit(viewport={"width": 390, "height": 800})
    search = page.get_by_label("Search the endpoints")
    search.fill("fixed 7")
    expect(page.locator("[data-card]:visible")).to_have_attribute("data-path", "/fixed/7")
    expect(page.locator("h2:visible")).to_have_text("fixed")
    search.fill("")
    expect(page.locator("h2:visible")).to_have_count(3)
    page.set_viewport_size({"width": 1280, "height": 800})
    search.fill("fixed 7")
    expect(page.locator("#get-fixed-8")).to_be_visible()


def test_statuses_stay_on_one_line_and_cut_code_has_a_shade(visit: Callable[..., Page]) -> None:
    page = visit(viewport={"width": 320, "height": 740})
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    heights = page.locator(".answers th").evaluate_all("all => all.map((one) => one.getClientRects().length)")
    lines = page.locator(".answers th").evaluate_all(
        "all => all.map((one) => { const range = document.createRange(); range.selectNodeContents(one); "
        "return range.getClientRects().length; })"
    )
    assert {1} == {*heights, *lines}
    assert "local" in page.locator("pre").first.evaluate("e => getComputedStyle(e).backgroundAttachment")
    assert 320 == page.evaluate("document.documentElement.scrollWidth")


def test_without_a_script_there_is_no_slider(visit: Callable[..., Page]) -> None:
    page = visit(java_script_enabled=False)
    for hidden in ("input[type=range]", "[data-drop]", ".search", ".chips"):
        expect(page.locator(hidden).first).to_be_hidden()
    expect(page.get_by_text("from 4 to 8")).to_be_visible()
    page.locator("[data-rows] > summary").first.click()
    expect(page.locator("[data-curl-rows]").first).to_contain_text("--data-binary @rows.csv")
