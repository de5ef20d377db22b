"""The docs page's forms in a real browser: parameters, bodies in every format, and the public shape of a model."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from browsing import card, obstacles, send
from conftest import train_iris
from playwright.sync_api import Locator, Page, expect
from serving import Server, serving

pytest_plugins = ["browsers"]
# Each drives a browser.
pytestmark = pytest.mark.exhaustive

ROUTES = """
service: {title: Shop}
routes:
  - path: /search
    query:
      required: [q]
      properties:
        q: {type: string, minLength: 1}
        page: {type: integer, minimum: 1, maximum: 50, default: 1}
        tag: {type: array, items: {type: string}, maxItems: 3}
        exact: {type: boolean}
    headers:
      properties:
        X-Tenant: {enum: [a, b]}
        X-Ids: {type: array, items: {type: integer}}
        X-Name: {type: string}
        Referer: {type: string}
    cookies: {properties: {session: {type: string}}}
    cases:
      - when: {query.exact: true, headers.X-Tenant: {enum: [b]}, query.page: {minimum: 2}}
        response: {status: 404, text: "no ${query.q}"}
      - response:
          json: {q: "${query.q}", page: "${query.page}", tag: "${query.tag.1:-none}", id: "${headers.X-Ids.1:-0}",
            name: "${headers.X-Name:-nobody}", session: "${cookies.session:-none}", exact: "${query.exact:-false}"}
  - path: /orders/<int:id>
    methods: [POST]
    path_parameters: {properties: {id: {minimum: 10}}}
    query: {properties: {note: {type: string}}}
    input: {type: object, required: [amount], properties: {amount: {type: number, maximum: 500}, note: {type: string}}}
    cases:
      - when: {any: [{body.amount: {exclusiveMinimum: 100}}, {body.note: vip}]}
        response: {status: 402, json: {pay: "${body.amount}"}}
      - chance: 5%
        delay: 200ms..2s
        response: {status: 503, text: later}
      - fail: timeout
        response: never
  - path: /login
    methods: [POST]
    accepts: [form, json]
    input:
      type: object
      required: [user]
      properties:
        user: {type: string, default: "it's me & you = ~é"}
        age: {type: integer}
        roles: {type: array, items: {type: string}}
    response: {json: {user: "${body.user}", age: "${body.age:-0}", role: "${body.roles.1:-none}"}}
  - path: /photos
    methods: [POST]
    accepts: [multipart]
    input:
      type: object
      required: [title, photo]
      properties: {title: {type: string}, photo: {type: object}, more: {type: array, items: {type: object}}}
    response: {json: {title: "${body.title}", name: "${body.photo.name}", size: "${body.photo.size}"}}
  - path: /notes
    methods: [POST]
    accepts: [text]
    input: {type: string, minLength: 2, default: "two 'lines'"}
    response: {json: {note: "${body}"}}
  - path: /blobs
    methods: [PUT]
    accepts: [binary]
    input: {type: object, properties: {size: {type: integer, minimum: 1}}}
    response: {json: {type: "${body.type}", size: "${body.size}"}}
  - {path: /hello, response: {json: {hello: true}, html: "<p>Hello</p>", text: Hello}}
  - path: /iris/<float:petal_width>
    model: iris
    query: {required: [petal_length], properties: {petal_length: {type: number, minimum: 0}}}
    instance:
      sepal_length: "${body.sepal.length}"
      sepal_width: "${body.sepal.width}"
      petal_length: "${query.petal_length}"
      petal_width: "${path.petal_width}"
    input:
      type: object
      required: [id, sepal]
      properties:
        id: {type: integer, minimum: 1}
        sepal: {type: object, required: [length, width], properties: {length: {type: number}, width: {type: number}}}
    cases:
      - when: {label: virginica}
        response: {json: {rare: true, id: "${body.id}"}}
      - response: {json: {rare: false, id: "${body.id}"}}
    on_failure: {response: {status: 503, json: {later: true}}}
  - path: /doubled
    model: iris
    instance: {sepal_length: "${body.size}", sepal_width: "${body.size}", petal_length: "${body.size}", petal_width: 1}
    input: {type: object, required: [size], properties: {size: {type: number}}}
"""
MODELS = """
models:
  iris:
    file: build/model.pkl
    output: {labels: [setosa, versicolor, virginica]}
    input:
      type: object
      required: [sepal_length, sepal_width, petal_length, petal_width]
      properties:
        {sepal_length: {type: number}, sepal_width: {type: number}, petal_length: {type: number},
         petal_width: {type: number}}
    examples:
      - {input: {sepal_length: 5.9, sepal_width: 3.0, petal_length: 5.1, petal_width: 1.8}, result: 2}
      - {input: {sepal_length: 5.1, sepal_width: 3.5, petal_length: 1.4, petal_width: 0.2}, result: 0}
"""
PHOTO = {"name": "it's.png", "mimeType": "image/png", "buffer": b"12345"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("forms")
    shutil.copytree(train_iris(tmp_path_factory, trees=30).parent, folder / "build")
    (folder / "routes.yaml").write_text(ROUTES)
    (folder / "models.yaml").write_text(MODELS)
    with serving(folder, "-w", "1", "--no-reload") as running:
        yield running


def answer(found: Locator) -> str:
    send(found)
    expect(found.locator("[data-outcome]")).to_contain_text("200 OK")
    return found.locator("[data-rest] pre").first.inner_text()


def run(found: Locator, kind: str) -> str:
    """Run the command that a card shows, in a shell or in Python."""
    code = found.locator(f"[data-{kind}]").inner_text()
    command = ["bash", "-c", code] if kind == "curl" else [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def plain(text: str) -> str:
    return re.sub(r"\s*\n\s*", "", text).replace('": ', '":')


def test_parameters_are_sent_by_the_page_the_shell_and_python(visit: Callable[..., Page]) -> None:
    page = visit()
    found = card(page, "/search")
    found.get_by_label("q", exact=True).fill("a&b ~é")
    found.get_by_label("tag").fill("one\nt,wo\n")
    found.get_by_label("exact").select_option("true")
    found.get_by_label("X-Ids").fill("7, 8")
    found.get_by_label("X-Name").fill("it's me")
    found.get_by_label("session").fill("s; ☃")
    expected = '{"q":"a&b ~é","page":1,"tag":"t,wo","id":8,"name":"it\'s me","session":"s; ☃","exact":true}'
    assert expected == plain(answer(found))
    assert expected == run(found, "curl")
    assert expected == run(found, "python")
    assert "-b 'session=\"s\\073 \\342\\230\\203\"'" in found.locator("[data-curl]").inner_text()
    assert "" == page.evaluate("document.cookie")
    assert [] == page.context.cookies()


def test_parameters_that_are_left_out_are_not_sent(visit: Callable[..., Page]) -> None:
    found = card(visit(), "/search")
    assert found.locator("[data-curl]").inner_text().endswith("/search?q=text'")
    assert '{"q":"text","page":1,"tag":"none","id":0,"name":"nobody","session":"none","exact":false}' == plain(
        answer(found)
    )
    expect(found.get_by_role("spinbutton", name="page")).to_have_attribute("placeholder", "default: 1")
    expect(found.get_by_label("tag")).to_have_accessible_description("one per line, at most 3 items")
    expect(found.get_by_label("X-Ids")).to_have_accessible_description("separated by commas (whole number)")
    expect(found.get_by_label("Referer")).to_have_accessible_description(re.compile("only in the curl command"))
    expect(found.get_by_label("session")).to_have_accessible_description(re.compile("sets the cookie for the request"))


def test_violations_of_parameters_stand_beside_their_fields(visit: Callable[..., Page]) -> None:
    page = visit()
    found = card(page, "/search")
    found.get_by_label("q", exact=True).fill("")
    found.get_by_role("spinbutton", name="page").fill("0")
    found.get_by_label("X-Ids").fill("7, x")
    send(found)
    told = found.get_by_role("group", name="Errors").get_by_role("listitem")
    expect(told).to_have_count(3)
    expect(found.get_by_role("spinbutton", name="page")).to_have_accessible_description(re.compile("0 is less than"))
    expect(found.get_by_label("q", exact=True)).to_have_accessible_description(re.compile("q|character"))
    expect(found.get_by_label("X-Ids")).to_have_accessible_description(re.compile("number"))
    order = card(page, "/orders/{id}")
    order.get_by_label("id", exact=True).fill("3")
    order.get_by_label("amount").fill("501")
    send(order)
    expect(order.get_by_label("id", exact=True)).to_have_accessible_description(re.compile("3 is less than"))
    expect(order.get_by_label("amount")).to_have_accessible_description(re.compile("501 is greater than"))


def test_a_nested_body_is_laid_out_whole(visit: Callable[..., Page]) -> None:
    """Its own lines, as the field has them, are not those of the commands."""
    found = card(visit(), "/iris/{petal_width}")
    sepal = found.get_by_label("sepal", exact=True)
    sepal.fill('{\n "length": 1,\n "width": 2}')
    curl, python = found.locator("[data-curl]"), found.locator("[data-python]")
    expect(curl).to_contain_text('--data-raw \'{"id": 1, "sepal": {"length": 1, "width": 2}}\'')
    expect(python).to_contain_text('body = {"id": 1, "sepal": {"length": 1, "width": 2}}\n')
    sepal.fill('{\n "length": 1.00000000000000000000, "width": 2.0}')
    long = f"""'{{
    "id": 1,
    "sepal": {{
      "length": 1.{"0" * 20},
      "width": 2.0
    }}
  }}'"""
    assert long == curl.inner_text().partition("--data-raw ")[2]


def test_a_form_is_sent_as_one_or_as_json(visit: Callable[..., Page]) -> None:
    found = card(visit(), "/login")
    found.get_by_label("roles").fill('["x", "y z"]')
    expected = '{"user":"it\'s me & you = ~é","age":0,"role":"y z"}'
    assert expected == plain(answer(found)) == run(found, "curl") == run(found, "python")
    assert "--data-urlencode 'roles=y z'" in found.locator("[data-curl]").inner_text()
    expect(found.get_by_label("Edit as JSON")).to_be_hidden()
    found.get_by_label("Sent as").select_option("json")
    expect(found.get_by_label("Edit as JSON")).to_be_visible()
    assert "Content-Type: application/json" in found.locator("[data-curl]").inner_text()
    assert expected == plain(answer(found)) == run(found, "curl") == run(found, "python")


def test_files_are_chosen_and_sent(visit: Callable[..., Page]) -> None:
    page = visit()
    photos = card(page, "/photos")
    assert "-F photo=@FILE" in photos.locator("[data-curl]").inner_text()
    photos.get_by_label("photo", exact=True).set_input_files(PHOTO)
    assert '{"title":"text","name":"it\'s.png","size":5}' == plain(answer(photos))
    assert "-F 'photo=@it'\"'\"'s.png'" in photos.locator("[data-curl]").inner_text()
    expect(photos.locator("[data-python]")).to_be_hidden()
    blobs = card(page, "/blobs")
    blobs.get_by_label("body").set_input_files(PHOTO)
    assert '{"type":"image/png","size":5}' == plain(answer(blobs))
    assert "--data-binary '@it'\"'\"'s.png'" in blobs.locator("[data-curl]").inner_text()


def test_a_text_is_sent_as_it_is(visit: Callable[..., Page]) -> None:
    found = card(visit(), "/notes")
    assert '{"note":"two \'lines\'"}' == plain(answer(found)) == run(found, "curl") == run(found, "python")


def test_one_of_several_bodies_is_chosen(visit: Callable[..., Page]) -> None:
    found = card(visit(), "/hello")
    assert '{"hello":true}' == plain(answer(found)) == run(found, "curl")
    found.get_by_label("Accept").select_option("text/plain")
    assert "Hello" == answer(found) == run(found, "curl") == run(found, "python")


def test_the_page_shows_the_same_commands_with_and_without_a_script(visit: Callable[..., Page], server: Server) -> None:
    written = visit(java_script_enabled=False).locator("[data-curl]").all_text_contents()
    scripted = visit().locator("[data-curl]").all_text_contents()
    here = f"http://127.0.0.1:{server.port}"
    assert [re.sub(r'"\$SERVICE"(\'?)', rf"\1{here}", command) for command in written] == scripted


def test_a_link_shares_the_values_but_no_cookie(visit: Callable[..., Page]) -> None:
    page = visit()
    found = card(page, "/search")
    found.get_by_label("tag").fill("one\ntwo")
    found.get_by_label("X-Name").fill("Zoë")
    found.get_by_label("session").fill("secret")
    link = found.get_by_role("link", name="Share these values").get_attribute("href")
    assert "secret" not in link
    again = card(visit(f"/docs{link}"), "/search")
    assert ["one\ntwo", "Zoë", ""] == [again.get_by_label(name).input_value() for name in ("tag", "X-Name", "session")]


def test_the_form_of_a_shaped_route_has_its_public_shape(visit: Callable[..., Page]) -> None:
    page = visit()
    found = card(page, "/iris/{petal_width}")
    fields = [one.get_attribute("data-field") for one in found.locator("form [data-field]").all()]
    assert ["petal_width", "petal_length", "id", "sepal"] == fields
    assert '{"rare":true,"id":1}' == plain(answer(found)) == run(found, "curl")
    found.get_by_role("button", name="setosa").click()
    assert "0.2" == found.get_by_label("petal_width").input_value()
    assert '{"rare":false,"id":1}' == plain(answer(found))
    expect(found.get_by_text("Score a CSV")).to_have_count(0)
    # Whether three features have one value is not certain, so that no example fills this form in.
    doubled = card(page, "/doubled")
    expect(doubled.locator(".chip")).to_have_count(0)
    expect(doubled.get_by_text("Score a CSV")).to_have_count(0)
    send(doubled)
    expect(doubled.locator(".headline")).to_have_text(re.compile("setosa|versicolor|virginica|correct"))


def test_every_response_is_shown_with_its_condition(visit: Callable[..., Page]) -> None:
    page = visit()
    conditions = {
        "/search": ['query.exact is true and headers.X-Tenant is "b" and query.page ≥ 2', "Otherwise"],
        "/orders/{id}": [
            'body.amount > 100 or body.note is "vip"',
            "In 5% of requests · Delayed by 200 ms to 2 s",
            "Otherwise · No answer; the connection is closed after 10 s",
        ],
        "/hello": ["Always"],
        "/iris/{petal_width}": ['label is "virginica"', "Otherwise", "If the model fails"],
    }
    for path, expected in conditions.items():
        found = page.locator(f'[data-card][data-path="{path}"]')
        found.get_by_text("Responses").click()
        expect(found.locator(".cases > li > p")).to_have_text(expected)
    orders = page.locator('[data-card][data-path="/orders/{id}"] .cases figcaption')
    expect(orders).to_have_text(["402 Payment Required · application/json", "503 Service Unavailable · text/plain"])
    hello = page.locator('[data-card][data-path="/hello"] .cases figcaption')
    expect(hello).to_have_text(["200 OK · application/json", "200 OK · text/html", "200 OK · text/plain"])


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (800, "dark"), (390, "light"), (320, "dark")])
def test_forms_stand_in_nobodys_way(width: int, scheme: str, visit: Callable[..., Page]) -> None:
    page = visit(color_scheme=scheme, viewport={"width": width, "height": 800})
    found = card(page, "/search")
    found.get_by_role("spinbutton", name="page").fill("0")
    send(found)
    expect(found.get_by_role("group", name="Errors")).to_be_focused()
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert width == page.evaluate("document.documentElement.scrollWidth")
    wide = """() => [...document.querySelectorAll("form :is(input, select, textarea, label)")]
      .filter((one) => !one.closest(".unseen"))
      .filter((one) => one.getBoundingClientRect().right > one.closest("form").getBoundingClientRect().right + 1)
      .map((one) => one.outerHTML)"""
    assert [] == page.evaluate(wide)
    assert page.locator("label", has_text="Sent as").bounding_box()["height"] < 40
    assert [] == obstacles(page)
