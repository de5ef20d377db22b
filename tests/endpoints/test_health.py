"""The routes that every service has: live, ready, and its status for this machine alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import flask
import pytest
from apps import build_app

from engine.endpoints import Counts, Meter, ServiceState, Status
from engine.errors import SpecError
from engine.spec import BUILT_IN, load_spec

AppOf = Callable[..., flask.Flask]
ROUTES = "routes: [{path: /, response: hi}, {path: /<name>, response: {text: '${path.name}'}}]"
IRIS = """models:
  iris: {file: build/model.pkl, input: {type: array, items: {type: number}, minItems: 4, maxItems: 4}}
"""


def test_a_service_is_live_and_ready(app_of: AppOf) -> None:
    client = app_of(ROUTES).test_client()
    live, ready = client.get("/livez"), client.get("/readyz")
    assert (200, {"live": True}, "no-store") == (live.status_code, live.json, live.headers["Cache-Control"])
    assert (200, {"ready": True}) == (ready.status_code, ready.json)
    assert 405 == client.post("/livez").status_code


def test_a_service_that_stops_is_live_and_not_ready(spec_folder: Path) -> None:
    (spec_folder / "routes.yaml").write_text(ROUTES)
    client = build_app(
        load_spec(), {}, ServiceState(lambda: Status(ready=False, document={}), Counts, Meter())
    ).test_client()
    ready = client.get("/readyz")
    assert (503, "1", "the service is stopping") == (
        ready.status_code,
        ready.headers["Retry-After"],
        ready.json["detail"],
    )
    assert 200 == client.get("/livez").status_code


def test_the_status_names_the_models(app_of: AppOf) -> None:
    client = app_of("routes: [{path: /p, model: iris}]", IRIS).test_client()
    status = client.get("/-/status").json
    (model,) = status["models"]
    assert ("iris", "build/model.pkl", "RandomForestClassifier") == (
        model["name"],
        model["file"][-15:],
        model["estimator"],
    )
    assert (1, []) == (status["generation"], status["degraded"])


REFUSED = (
    "the status is shown only to the addresses under built_in: status: from, which connect directly, without a proxy, "
    "and use an IP address or localhost as the host"
)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_the_status_is_shown_to_this_machine(address: str, app_of: AppOf) -> None:
    client = app_of(ROUTES).test_client()
    assert 200 == client.get("/-/status", environ_base={"REMOTE_ADDR": address}).status_code


@pytest.mark.parametrize("address", ["10.0.0.1", "127.8.9.1", "8.8.8.8", "::2", "", "localhost"])
def test_the_status_is_shown_to_nobody_else(address: str, app_of: AppOf) -> None:
    client = app_of(ROUTES).test_client()
    answer = client.get("/-/status", environ_base={"REMOTE_ADDR": address})
    assert (403, REFUSED) == (answer.status_code, answer.json["detail"])


@pytest.mark.parametrize(
    ("address", "status"),
    [("10.1.2.3", 200), ("::ffff:10.1.2.3", 200), ("fd00::7%eth0", 200), ("11.0.0.1", 403), ("127.0.0.1", 403)],
)
def test_the_spec_says_who_sees_the_status(address: str, status: int, app_of: AppOf) -> None:
    allowed = 'service: {built_in: {status: {from: [10.0.0.0/8, "fd00::7"]}}}'
    client = app_of(f"{allowed}\n{ROUTES}").test_client()
    asked = client.get("/-/status", environ_base={"REMOTE_ADDR": address}, headers={"Host": "10.0.0.1:5000"})
    assert status == asked.status_code


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:5000"])
def test_a_page_whose_name_leads_here_is_shown_nothing(host: str, app_of: AppOf) -> None:
    client = app_of(f"service: {{cors: {{origins: ['*']}}}}\n{ROUTES}").test_client()
    assert 403 == client.get("/-/status", headers={"Host": host}).status_code
    for own in ("localhost:5000", "127.0.0.1:5000", "[::1]:5000", "LOCALHOST", "192.0.2.1"):
        answer = client.get("/-/status", headers={"Host": own, "Origin": "https://evil.example"})
        assert (200, None) == (answer.status_code, answer.headers.get("Access-Control-Allow-Origin"))


@pytest.mark.parametrize(
    "header",
    [
        *(
            "Forwarded",
            "Via",
            "X-Forwarded-For",
            "X-Forwarded-Server",
            "X-Real-IP",
            "CF-Connecting-IP",
            "True-Client-IP",
        ),
        *(
            "Fastly-Client-IP",
            "X-Azure-ClientIP",
            "X-Client-IP",
            "X-Cluster-Client-IP",
            "CDN-Loop",
            "x-envoy-external-address",
        ),
    ],
)
def test_a_proxy_on_this_machine_asks_for_somebody_else(header: str, app_of: AppOf) -> None:
    client = app_of(ROUTES).test_client()
    assert 403 == client.get("/-/status", headers={header: "10.0.0.1"}).status_code


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_route_in_their_place_is_told(name: str, spec_folder: Path) -> None:
    path, does = BUILT_IN[name]
    (spec_folder / "routes.yaml").write_text(f"routes: [{{path: {path}, methods: [POST], response: hi}}]")
    with pytest.raises(SpecError) as refused:
        load_spec()
    (found,) = refused.value.diagnostics
    expected = (
        f'path "{path}" is built in and {does}; choose another path, or move the built-in route under service: '
        f'"built_in: {{{name}: /other}}" (false turns it off)'
    )
    assert (expected, 17) == (found.message, found.place.column)


@pytest.mark.parametrize("name", BUILT_IN)
def test_they_can_be_moved(name: str, app_of: AppOf) -> None:
    routes = f"routes: [{{path: {BUILT_IN[name][0]}, response: mine}}]"
    client = app_of(f"service: {{built_in: {{{name}: /elsewhere}}}}\n{routes}").test_client()
    assert ("mine", 200) == (client.get(BUILT_IN[name][0]).text, client.get("/elsewhere").status_code)


@pytest.mark.parametrize("name", BUILT_IN)
def test_they_can_be_turned_off_and_on(name: str, app_of: AppOf) -> None:
    routes = "routes: [{path: /, response: mine}]"
    client = app_of(f"service: {{built_in: {{{name}: false}}}}\n{routes}").test_client()
    assert 404 == client.get(BUILT_IN[name][0]).status_code
    client = app_of(f"service: {{built_in: {{{name}: true}}}}\n{routes}").test_client()
    assert 200 == client.get(BUILT_IN[name][0]).status_code
