"""The Flask app: what it says when it fails, who gets which form, and that it is an ordinary app."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import flask
import pytest
from apps import build_app
from conftest import ROOT
from handler_door import Door
from werkzeug.test import Client

from engine import create_app
from engine.endpoints.requests.body_reader import BodyReader
from engine.errors import SpecError
from engine.models import Prediction
from engine.spec import load_spec
from engine.spec.named_files import Home

App = Callable[..., flask.Flask]
IRIS = (ROOT / "models.yaml").read_text()
INSTANCE = {"sepal_length": 5.9, "sepal_width": 3.0, "petal_length": 5.1, "petal_width": 1.8}


class Broken:
    """A predictor that fails as no predictor should."""

    facts = SimpleNamespace(report=SimpleNamespace(seconds=None), is_stand_in=False, is_remote=False)

    def __call__(self, instances: Any) -> Any:  # noqa: ARG002
        raise RuntimeError("the database password is hunter2\nsecond line")

    def watch(self, observe: Any) -> None:
        pass


@pytest.fixture
def broken(spec_folder: Path) -> flask.Flask:
    (spec_folder / "routes.yaml").write_text("routes: [{path: /predict, model: iris}]")
    (spec_folder / "models.yaml").write_text(IRIS)
    return build_app(load_spec(), {"iris": Broken()})


def test_a_status_has_the_name_of_the_standard(spec_folder: Path) -> None:
    """RFC 9110, 15.5.21; Werkzeug has the older name."""
    (spec_folder / "routes.yaml").write_text("routes: [{path: /a, input: {type: integer}, response: hi}]")
    answer = build_app(load_spec(), {}).test_client().post("/a", json="b")
    assert "422 Unprocessable Content" == answer.status
    assert "Unprocessable Content" == answer.get_json(force=True)["title"]


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_a_failure_has_an_id_and_nothing_of_the_inside(
    accept: str, broken: flask.Flask, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = broken.test_client().post("/predict?q=1\r\n", json=INSTANCE, headers={"Accept": accept})
    assert 500 == answer.status_code
    assert "hunter2" not in answer.text
    assert "RuntimeError" not in answer.text
    (request_id,) = re.findall(r"[0-9a-f]{32}", answer.text)
    (record,) = caplog.records
    assert (
        f"request {request_id} failed: POST '/predict': RuntimeError: the database password is hunter2 second line"
        == record.getMessage()
    )
    assert record.exc_info is not None
    if accept == "application/json":
        expected = {
            "type": "about:blank",
            "title": "Internal Server Error",
            "status": 500,
            "detail": "the service failed; its log has the reason under this request id",
            "request_id": request_id,
        }
        assert expected == json.loads(answer.data)


def test_two_failures_have_two_ids(broken: flask.Flask) -> None:
    answers = [broken.test_client().post("/predict", json=INSTANCE).get_json()["request_id"] for _ in range(2)]
    assert 2 == len(set(answers))


def test_the_debugger_has_no_way_in(broken: flask.Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where Flask is told to debug by the environment, or is testing."""
    broken.debug = True
    broken.testing = True
    monkeypatch.setenv("FLASK_DEBUG", "1")
    answer = broken.test_client().post("/predict", json=INSTANCE)
    assert 500 == answer.status_code
    assert "Traceback" not in answer.text


def test_flask_extensions_and_url_for_work(app_of: App) -> None:
    app = app_of("routes: [{path: '/users/<int:id>/<name>', response: hi}]")
    app.after_request(lambda response: response.headers.add("X-Extension", "yes") or response)
    assert "yes" == app.test_client().get("/users/1/a").headers["X-Extension"]
    with app.test_request_context():
        assert "/users/7/a%20b?q=1" == flask.url_for("0", id=7, name="a b", q=1)
        assert "/users/8/c" == flask.url_for("0", id=8, name="c")


def test_an_app_reads_models_beside_its_routes_or_where_it_is_told(spec_folder: Path, tmp_path: Path) -> None:
    (spec_folder / "routes.yaml").write_text("routes: [{path: /predict, model: iris}]")
    with pytest.raises(SpecError, match=r"there is no models\.yaml beside this file"):
        create_app()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "m.yaml").write_text(IRIS.replace("build/", "../build/"))
    answer = create_app("routes.yaml", elsewhere / "m.yaml").test_client().post("/predict", json=INSTANCE)
    assert b'{"result":[2]}\n' == answer.data


def test_a_file_that_vanishes_between_its_check_and_its_reading_is_told(
    spec_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (spec_folder / "page.html").write_text("hi")
    (spec_folder / "routes.yaml").write_text("routes: [{path: /, response: {file: page.html}}]")

    require = Home.require

    def require_for_the_last_time(home: Home, name: str, folder: str = "") -> None:
        require(home, name, folder)
        (home.folder / name).unlink()

    monkeypatch.setattr(Home, "require", require_for_the_last_time)
    with pytest.raises(SpecError) as refused:
        load_spec()
    (found,) = refused.value.diagnostics
    assert 'the file cannot be served: file "page.html" does not exist' == found.message
    assert "routes.yaml:1:37" == str(found.place)


def test_a_file_is_what_it_was_at_build_time(spec_folder: Path) -> None:
    (spec_folder / "page.html").write_text("old")
    (spec_folder / "routes.yaml").write_text("routes: [{path: /, response: {file: page.html}}]")
    client = create_app().test_client()
    (spec_folder / "page.html").write_text("new")
    answer = client.get("/")
    assert ("old", "text/html; charset=utf-8") == (answer.text, answer.content_type)
    again = client.get("/", headers={"If-None-Match": answer.headers["ETag"]})
    assert (304, b"", answer.headers["ETag"]) == (again.status_code, again.data, again.headers["ETag"])


@pytest.mark.parametrize(
    "path",
    [
        "/../secret",
        "/%2e%2e/secret",
        "/..%2fsecret",
        "/page/../../secret",
        "/page/%2e%2e%2f%2e%2e%2fsecret",
        "//secret",
    ],
)
def test_no_path_leads_out_of_the_folder(path: str, spec_folder: Path) -> None:
    (spec_folder.parent / "secret").write_text("secret bytes")
    (spec_folder / "page.html").write_text("hi")
    routes = "routes: [{path: /page, response: {file: page.html}}, {path: '/page/<path:rest>', response: {text: x}}]"
    (spec_folder / "routes.yaml").write_text(routes)
    answer = create_app().test_client().get(path)
    assert b"secret bytes" not in answer.data


def test_the_sample_spec_of_the_readme_answers(app_of: App) -> None:
    client = app_of((ROOT / "routes.yaml").read_text(), IRIS).test_client()
    assert "<p>Hello Ada!</p>" == client.get("/hello/Ada").text
    assert (201, {"thanks": True}) == ((a := client.post("/feedback", json={"stars": 5})).status_code, a.get_json())
    assert b'{"result":[2]}\n' == client.post("/predict", json=INSTANCE).data


def test_a_url_over_its_limit_gets_414(app_of: Callable[..., flask.Flask]) -> None:
    """Path and query string together, by the route's limit, and by the service's where no route matches."""
    spec = """service: {limits: {url: 100}}
routes:
  - {path: /, response: hi}
  - {path: /far, response: hi, limits: {url: 1000}}
"""
    client = app_of(spec).test_client()
    assert [200, 414] == [client.get("/?" + "q" * count).status_code for count in (99, 100)]
    assert [200, 414] == [client.get("/far?" + "q" * count).status_code for count in (996, 997)]
    assert [404, 414] == [client.get("/" + "p" * count).status_code for count in (99, 100)]
    wide = Client(Door(app_of(f"service: {{limits: {{url: 100}}}}\nroutes: [{{path: /{'é' * 40}, response: hi}}]")))
    assert [200, 414] == [wide.get(f"/{'é' * 40}?" + "q" * count).status_code for count in (19, 20)]
    problem = client.get("/" + "p" * 100).json
    assert ("URI Too Long", "the URL is longer than 100 bytes") == (problem["title"], problem["detail"])


def test_one_request_more_than_may_be_in_hand_gets_503_at_once(spec_folder: Path) -> None:
    (spec_folder / "routes.yaml").write_text("routes: [{path: /predict, model: iris, limits: {concurrent: 2}}]")
    (spec_folder / "models.yaml").write_text(IRIS)
    entered, gate = threading.Semaphore(0), threading.Event()

    class Slow(Broken):
        def __call__(self, instances: Sequence[Any]) -> Prediction:
            entered.release()
            assert gate.wait(30)
            return Prediction([len(instances)])

    client = build_app(load_spec(), {"iris": Slow()}).test_client()

    def ask() -> tuple[int, str | None, Any]:
        answer = client.post("/predict", json=INSTANCE)
        return answer.status_code, answer.headers.get("Retry-After"), answer.json

    with ThreadPoolExecutor(2) as pool:
        served = [pool.submit(ask) for _ in range(2)]
        assert all(entered.acquire(timeout=30) for _ in served)
        status, retry_after, problem = ask()
        gate.set()
        assert [(200, None, {"result": [1]})] * 2 == [one.result() for one in served]
    detail = "the service is at its limit of concurrent requests"
    assert (503, "1", detail) == (status, retry_after, problem["detail"])
    assert 200 == ask()[0]


def test_the_bound_on_concurrent_requests_covers_the_checking_of_bodies(
    spec_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One request that is checked has the only place; another that comes meanwhile gets 503."""
    limits = "limits: {concurrent: 1}"
    (spec_folder / "routes.yaml").write_text(f"routes: [{{path: /, input: {{type: object}}, response: ok, {limits}}}]")
    app = create_app(spec_folder / "routes.yaml")
    meanwhile: list[int] = []

    def judge(_: BodyReader, value: object, __: object) -> bool:
        meanwhile.append(app.test_client().post("/", data="{}").status_code)
        return isinstance(value, dict)

    monkeypatch.setattr(BodyReader, "is_valid", judge)
    assert 200 == app.test_client().post("/", data="{}").status_code
    assert [503] == meanwhile
    assert 200 == app.test_client().post("/", data="{}").status_code
