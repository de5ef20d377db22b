"""Guards: no answer of success without the right, by whatever way a request comes."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flask
import pytest
from handler_door import Door
from prometheus_client.parser import text_string_to_metric_families
from serving import command, replace_file, serving
from werkzeug.test import Client, TestResponse

from engine.endpoints.guards import rates
from engine.endpoints.guards.client import _plain, client_address
from engine.errors import SpecError
from engine.spec import load_spec

AppOf = Callable[..., flask.Flask]
CI, OPS, GUEST = "ci-0123456789abcdef", "ops-0123456789abcdef", "guest-0123456789abcdef"
KEYS = """  auth:
    api_keys: [{name: ci, env: ENGINE_TEST_CI}, {name: ops, env: ENGINE_TEST_OPS}, {name: guests, file: guests.sha256}]
"""
ROUTES = """routes:
  - {path: /, response: hi}
  - {path: /open, response: hi, auth: false}
  - {path: /ops, response: hi, auth: [ops]}
  - {path: /made, methods: [POST], input: {type: object}, response: {status: 201}}
  - {path: '/hello/<name>', response: 'hi ${path.name}'}
  - {path: /logo, response: {file: logo.svg}}
  - {path: /two, response: hi, auth: false}
  - {path: /two, methods: [POST], response: hi}
"""
ORIGIN = "https://app.example.com"


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch, spec_folder: Path) -> None:
    monkeypatch.setenv("ENGINE_TEST_CI", CI)
    monkeypatch.setenv("ENGINE_TEST_OPS", OPS)
    digest = hashlib.sha256(GUEST.encode()).hexdigest()
    (spec_folder / "guests.sha256").write_text(f"# guests\n{digest}  -\n\n{'0' * 64}\n")
    (spec_folder / "logo.svg").write_text("<svg/>")


@pytest.fixture(params=["worker", "app"])
def client_of(request: pytest.FixtureRequest, app_of: AppOf) -> Callable[[str], Client]:
    def make(text: str) -> Client:
        app = app_of(text)
        return Client(Door(app)) if request.param == "worker" else app.test_client()

    return make


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


PATHS = [
    *[
        "/",
        "/open",
        "/ops",
        "/made",
        "/hello/you",
        "/logo",
        "/two",
        "/docs",
        "/docs/docs.js",
        "/openapi.json",
        "/metrics",
    ],
    *[
        "//",
        "//ops",
        "/ops/",
        "/OPS",
        "/%6fps",
        "/./ops",
        "/%2e/ops",
        "/x/../ops",
        "/nix",
        "/livez",
        "/readyz",
        "/ops?a=b",
    ],
]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "BREW"]
OPEN = {
    *itertools.product(["/open", "/livez", "/readyz", "/two"], ["GET", "HEAD"]),
    *itertools.product(["/open", "/livez", "/readyz"], ["OPTIONS"]),
}


@pytest.mark.parametrize(
    "service", ["", "  cors: {origins: ['*']}\n", "  rate_limit: 1000/second\n"], ids=["", "cors", "rate"]
)
def test_nobody_gets_in_without_a_key(service: str, client_of: Callable[[str], Client]) -> None:
    """Every path with every method: what is open, and nothing else."""
    client = client_of(f"service:\n{KEYS}{service}{ROUTES}")
    wrong: list[dict[str, str]] = [
        {},
        bearer("wrong-0123456789abcdef"),
        {"X-API-Key": "x"},
        {"Authorization": f"Basic {CI}"},
    ]
    for path, method, headers in itertools.product(PATHS, METHODS, wrong):
        answer = client.open(path, method=method, headers=headers, data=b"{}" if method == "POST" else b"")
        got_in = 200 <= answer.status_code < 300 or answer.status_code == 304
        assert ((path, method.upper()) in OPEN) == got_in, (path, method, headers, answer.status)
        if not got_in and (path, method.upper()) not in OPEN and path not in ("/open", "/livez", "/readyz", "/two"):
            assert 401 == answer.status_code, (path, method, answer.status)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("headers", [bearer(CI), {"X-API-Key": CI}, {"Authorization": f"bearer  {CI} "}, bearer(GUEST)])
def test_a_key_lets_in(headers: dict[str, str], client_of: Callable[[str], Client]) -> None:
    client = client_of(f"service:\n{KEYS}{ROUTES}")
    for path in ("/", "/open", "/hello/you", "/logo", "/docs", "/openapi.json", "/metrics"):
        assert 200 == client.get(path, headers=headers).status_code, path
    assert 201 == client.post("/made", headers=headers, data=b"{}").status_code
    assert (404, 405) == (client.get("/nix", headers=headers).status_code, client.put("/", headers=headers).status_code)
    refused = client.get("/ops", headers=headers)
    name = "guests" if GUEST in str(headers) else "ci"
    assert (403, f'the key "{name}" may not use this route') == (
        refused.status_code,
        refused.get_json(force=True)["detail"],
    )
    assert 403 == client.open("/ops", method="OPTIONS", headers=headers).status_code
    assert 200 == client.get("/ops", headers=bearer(OPS)).status_code


@pytest.mark.parametrize(
    ("headers", "detail"),
    [
        ({}, "an API key is required: send it as Authorization: Bearer KEY, or as X-API-Key: KEY"),
        (
            {"Authorization": "Bearer"},
            "an API key is required: send it as Authorization: Bearer KEY, or as X-API-Key: KEY",
        ),
        (bearer("nobody-0123456789"), "unknown API key"),
        (bearer(f"{CI},{CI}"), "unknown API key"),
        (bearer("x" * 5000), "unknown API key"),
        (bearer("é" * 20), "unknown API key"),
        (bearer(hashlib.sha256(CI.encode()).hexdigest()), "unknown API key"),
        (
            {"Authorization": f"Basic {CI}", "X-API-Key": CI},
            "Authorization and X-API-Key have different keys; send one",
        ),
        ({**bearer(CI), "X-API-Key": OPS}, "Authorization and X-API-Key have different keys; send one"),
    ],
)
def test_a_wrong_key_is_told(headers: dict[str, str], detail: str, client_of: Callable[[str], Client]) -> None:
    answer = client_of(f"service:\n{KEYS}{ROUTES}").get("/", headers=headers)
    assert (401, "application/problem+json", detail) == (
        answer.status_code,
        answer.content_type,
        answer.get_json(force=True)["detail"],
    )


def test_the_same_key_twice_is_one(client_of: Callable[[str], Client]) -> None:
    assert 200 == client_of(f"service:\n{KEYS}{ROUTES}").get("/", headers={**bearer(CI), "X-API-Key": CI}).status_code


def test_a_body_that_nobody_may_send_is_read_away(client_of: Callable[[str], Client]) -> None:
    answer = client_of(f"service:\n{KEYS}{ROUTES}").post("/made", data=b"x" * 3_000_000)
    assert (401, None) == (answer.status_code, answer.headers.get("Connection"))


def test_built_in_routes_can_be_opened(client_of: Callable[[str], Client]) -> None:
    client = client_of(
        f"service:\n{KEYS}  built_in: {{docs: {{auth: false}}, metrics: {{auth: [ops], path: /m}}}}\n{ROUTES}"
    )
    assert [200, 200, 401, 401] == [
        client.get(path).status_code for path in ("/docs", "/docs/docs.js", "/openapi.json", "/m")
    ]
    assert (403, 200) == tuple(client.get("/m", headers=bearer(key)).status_code for key in (CI, OPS))


def test_keys_may_be_wanted_by_some_routes_alone(client_of: Callable[[str], Client]) -> None:
    keys = KEYS.replace("    api_keys", "    required: false\n    api_keys")
    client = client_of(f"service:\n{keys}routes: [{{path: /, response: hi}}, {{path: /k, response: hi, auth: true}}]")
    assert [200, 401, 404] == [client.get(path).status_code for path in ("/", "/k", "/nix")]


def test_two_names_with_one_key_are_told(spec_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_TEST_OPS", CI)
    (spec_folder / "routes.yaml").write_text(f"service:\n{KEYS}{ROUTES}")
    with pytest.raises(Exception, match='the same key as that of "ci"') as refused:
        load_spec()
    assert CI not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "mistake"),
    [
        (b"\xef\xbb\xbf# guests, caf\xe9\r\n%s  -\r\n" % (b"0" * 64), ""),
        (
            b"",
            'warning: file "k" has no digest, so no client can use this key; to make one: printf %s "$KEY" | sha256sum',
        ),
        (b"# nobody any more\n\n", 'warning: file "k" has no digest, so no client can use this key'),
        (b"0" * 63, 'error: file "k", line 1: not a SHA-256 digest of 64 hexadecimal digits'),
        (b"\n" + b"x\n" * 1000, 'error: file "k", line 2: not a SHA-256 digest'),
        (
            hashlib.sha256(b"").hexdigest().encode(),
            "line 1: this is the digest of no characters at all; $KEY was empty",
        ),
        (b"#" * (8 * 1024**2 + 1), 'error: file "k" is larger than 8 MiB'),
        (None, 'error: file "k" cannot be read: it is a FIFO (a named pipe), not a regular file'),
    ],
)
def test_a_file_of_digests_is_read_with_care(content: bytes | None, mistake: str, spec_folder: Path) -> None:
    (spec_folder / "routes.yaml").write_text(
        "service: {auth: {api_keys: [{name: a, file: k}]}}\nroutes: [{path: /, response: hi}]"
    )
    if content is None:
        os.mkfifo(spec_folder / "k")
    else:
        (spec_folder / "k").write_bytes(content)
    try:
        found = load_spec().warnings
    except SpecError as error:
        found = error.diagnostics
    assert ([mistake] if mistake else []) == [mistake for one in found if mistake in str(one)]
    assert bool(mistake) == len(found)


@pytest.mark.exhaustive
def test_the_last_key_of_a_file_is_taken_away_while_it_serves(spec_folder: Path) -> None:
    (spec_folder / "routes.yaml").write_text(
        "service: {auth: {api_keys: [{name: guests, file: guests.sha256}]}}\nroutes: [{path: /, response: hi}]"
    )
    with serving(spec_folder, "-w", "1") as server:
        assert 200 == server.request("GET", "/", headers=bearer(GUEST))[0]
        replace_file(spec_folder / "guests.sha256", b"# nobody\n")
        server.wait_for_generation(2)
        assert 401 == server.request("GET", "/", headers=bearer(GUEST))[0]


@pytest.mark.parametrize(
    ("key", "said"), [("tiny-key", "is too short to be safe"), ("has a space in it", "no header carries")]
)
def test_a_weak_key_is_told_and_not_shown(
    key: str, said: str, spec_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_TEST_CI", key)
    (spec_folder / "routes.yaml").write_text(f"service:\n{KEYS}{ROUTES}")
    with pytest.raises(Exception, match=said) as refused:
        load_spec()
    assert key not in str(refused.value)


def test_keys_are_in_no_record_and_no_document(app_of: AppOf) -> None:
    app = app_of(f"service:\n{KEYS}  built_in: {{docs: {{auth: false}}}}\n{ROUTES}")
    document = app.test_client().get("/openapi.json", headers=bearer(CI)).json
    assert {"bearer", "key"} == set(document["components"]["securitySchemes"])
    assert [{"bearer": []}, {"key": []}] == document["paths"]["/"]["get"]["security"]
    assert "security" not in document["paths"]["/open"]["get"]
    assert {"401", "403"} < set(document["paths"]["/"]["get"]["responses"])
    for text in (repr(app.handler.spec), app.test_client().get("/docs").text):
        assert CI not in text
        assert hashlib.sha256(CI.encode()).hexdigest() not in text


CORS = f"  cors: {{origins: [{ORIGIN}], headers: [X-Own], expose: [ETag], credentials: true, max_age: 60}}\n"


def test_a_page_of_an_allowed_origin_may_read(client_of: Callable[[str], Client]) -> None:
    client = client_of(f"service:\n{CORS}{ROUTES.replace(', auth: [ops]', '').replace(', auth: false', '')}")
    for path, status in (("/", 200), ("/logo", 200), ("/nix", 404), ("/made", 405)):
        answer = client.get(path, headers={"Origin": ORIGIN})
        assert (status, ORIGIN, "true", "ETag", "Origin") == (
            answer.status_code,
            *(
                answer.headers[f"Access-Control-{name}"]
                for name in ("Allow-Origin", "Allow-Credentials", "Expose-Headers")
            ),
            answer.headers["Vary"],
        )


def test_what_every_page_may_read_says_so_to_whoever_asks(client_of: Callable[[str], Client]) -> None:
    """A cache may give an answer to a page that somebody else had asked for without an origin."""
    client = client_of("service: {cors: {origins: ['*']}}\nroutes: [{path: /, response: hi}]")
    for headers in ({}, {"Origin": ORIGIN}):
        answer = client.get("/", headers=headers)
        assert ("*", None) == (answer.headers["Access-Control-Allow-Origin"], answer.headers.get("Vary"))


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "https://app.example.com.evil", "http://app.example.com", ""]
)
def test_another_page_may_not(origin: str, client_of: Callable[[str], Client]) -> None:
    client = client_of(f"service:\n{CORS}{ROUTES.replace(', auth: [ops]', '').replace(', auth: false', '')}")
    asks = {"Origin": origin, "Access-Control-Request-Method": "GET"}
    for answer in (client.get("/", headers={"Origin": origin}), client.open("/", method="OPTIONS", headers=asks)):
        assert 200 == answer.status_code
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "Origin" == answer.headers["Vary"]


def test_a_preflight_needs_no_key(client_of: Callable[[str], Client]) -> None:
    """Browsers send none with it; what it gets is a permission to ask, and no more."""
    client = client_of(f"service:\n{KEYS}{CORS}{ROUTES}")
    asks = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-own"}
    answer = client.open("/two", method="OPTIONS", headers=asks)
    assert (204, b"", None) == (answer.status_code, answer.data, answer.headers.get("Content-Type"))
    expected = {
        "Access-Control-Allow-Origin": ORIGIN,
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": "Authorization, Content-Type, X-API-Key, X-Request-ID, traceparent, X-Own",
        "Access-Control-Max-Age": "60",
    }
    assert expected.items() <= dict(answer.headers).items()
    assert 401 == client.open("/nix", method="OPTIONS", headers=asks).status_code
    assert 401 == client.open("/two", method="OPTIONS", headers={"Origin": ORIGIN}).status_code


def test_a_preflight_is_about_the_method_that_it_names(client_of: Callable[[str], Client]) -> None:
    client = client_of(
        "routes:\n  - {path: /y, response: hi, cors: {origins: ['*']}}\n"
        f"  - {{path: /y, methods: [POST, PUT], response: hi, cors: {{origins: [{ORIGIN}]}}}}\n"
        "  - {path: /y, methods: [DELETE], response: hi, cors: false}\n"
    )

    def allowed(method: str, origin: str) -> str | None:
        asks = {"Origin": origin, "Access-Control-Request-Method": method}
        return client.open("/y", method="OPTIONS", headers=asks).headers.get("Access-Control-Allow-Methods")

    assert "GET, HEAD, OPTIONS" == allowed("GET", "https://any.example")
    assert "POST, PUT" == allowed("POST", ORIGIN)
    refused = [allowed("POST", "https://any.example"), allowed("DELETE", ORIGIN), allowed("PATCH", ORIGIN)]
    assert [None, None, None] == refused


def test_a_route_may_have_its_own_origins(client_of: Callable[[str], Client]) -> None:
    client = client_of(
        f"service:\n{CORS}routes:\n  - {{path: /, response: hi, cors: false}}\n"
        "  - {path: /all, response: hi, cors: {origins: ['*']}}\n"
    )
    assert "Access-Control-Allow-Origin" not in client.get("/", headers={"Origin": ORIGIN}).headers
    assert "*" == client.get("/all", headers={"Origin": "https://any.example"}).headers["Access-Control-Allow-Origin"]


RATE = "service: {rate_limit: 3/hour}\n"


def limits(answer: TestResponse) -> tuple[int, str, str]:
    return answer.status_code, answer.headers["RateLimit-Policy"], answer.headers["RateLimit"].partition(";t=")[0]


def test_more_than_the_rate_gets_429(client_of: Callable[[str], Client]) -> None:
    client = client_of(f"{RATE}{ROUTES.replace(', auth: [ops]', '').replace(', auth: false', '')}")
    answers = [
        client.get("/"),
        client.get("/nix"),
        client.put("/logo"),
        client.get("/"),
        client.open("/", method="OPTIONS"),
    ]
    policy = '"default";q=3;w=3600'
    remaining = [limits(answer) for answer in answers]
    assert [
        (200, policy, '"default";r=2'),
        (404, policy, '"default";r=1'),
        (405, policy, '"default";r=0'),
    ] == remaining[:3]
    assert [(429, policy, '"default";r=0')] * 2 == remaining[3:]
    assert 3590 < int(answers[3].headers["Retry-After"]) <= 3600
    detail = answers[3].get_json(force=True)["detail"]
    assert detail.startswith("more than 3 requests in 3,600 seconds; retry in 3,")
    assert 200 == client.get("/", environ_base={"REMOTE_ADDR": "10.0.0.9"}).status_code
    assert [200, 200] == [client.get(path).status_code for path in ("/livez", "/readyz")]


def test_each_method_of_a_path_has_its_own_rate_and_options_counts_once(client_of: Callable[[str], Client]) -> None:
    own = client_of(
        "routes:\n  - {path: /r, response: hi, rate_limit: 2/hour}\n"
        "  - {path: /r, methods: [POST], response: hi, rate_limit: 2/hour}\n"
    )
    assert ['"default";r=1'] * 2 == [limits(answer)[2] for answer in (own.get("/r"), own.post("/r"))]
    shared = client_of(f"{RATE}routes: [{{path: /, response: a}}, {{path: /, methods: [POST], response: b}}]")
    assert ['"default";r=2', '"default";r=1'] == [limits(shared.open("/", method="OPTIONS"))[2] for _ in range(2)]


def test_a_route_may_have_its_own_rate(client_of: Callable[[str], Client]) -> None:
    client = client_of(
        f"{RATE}routes:\n  - {{path: /, response: hi, rate_limit: 1/day}}\n"
        "  - {path: /free, response: hi, rate_limit: false}\n  - {path: /as, response: hi}\n"
    )
    assert [200, 429] == [client.get("/").status_code for _ in range(2)]
    assert [200] * 5 == [client.get("/free").status_code for _ in range(5)]
    assert [200, 200, 200, 429] == [client.get("/as").status_code for _ in range(4)]


def test_each_key_has_a_rate_of_its_own(client_of: Callable[[str], Client]) -> None:
    client = client_of(f"service:\n{KEYS}  rate_limit: 2/hour\n{ROUTES}")
    assert [200, 200, 429] == [client.get("/", headers=bearer(CI)).status_code for _ in range(3)]
    assert [200, 200, 429] == [client.get("/ops", headers=bearer(OPS)).status_code for _ in range(3)]
    assert [401, 401, 429] == [client.get("/", headers=bearer(f"guess-{n:016}")).status_code for n in range(3)]


def test_a_key_is_counted_also_where_none_is_wanted(client_of: Callable[[str], Client]) -> None:
    open_to_all = KEYS.replace("  auth:\n", "  auth:\n    required: false\n")
    client = client_of(f"service:\n{open_to_all}  rate_limit: 2/hour\nroutes: [{{path: /, response: hi}}]")
    asked = [(CI, "10.0.0.1"), (CI, "10.0.0.2"), (CI, "10.0.0.3"), (OPS, "10.0.0.3"), ("wrong" * 5, "10.0.0.3")]
    statuses = [client.get("/", headers=bearer(key), environ_base={"REMOTE_ADDR": by}).status_code for key, by in asked]
    assert [200, 200, 429, 200, 200] == statuses


def test_a_network_of_ipv6_is_one_client(client_of: Callable[[str], Client]) -> None:
    client = client_of("service: {rate_limit: 1/hour}\nroutes: [{path: /, response: hi}]")
    addresses = ["2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"]
    assert [200, 429, 200] == [client.get("/", environ_base={"REMOTE_ADDR": by}).status_code for by in addresses]


def test_a_clock_that_is_set_changes_nothing(app_of: AppOf, monkeypatch: pytest.MonkeyPatch) -> None:
    client, now = app_of("service: {rate_limit: 2/minute}\nroutes: [{path: /, response: hi}]").test_client(), time.time
    assert 200 == client.get("/").status_code
    for jump, status in ((-86400, 200), (86400, 429), (0, 429)):
        monkeypatch.setattr(time, "time", lambda jump=jump: now() + jump)
        answer = client.get("/")
        assert status == answer.status_code
        assert 1 <= int(answer.headers["RateLimit"].rpartition("=")[2]) <= 60


def test_counts_in_memory_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """At every moment, over windows of all lengths; those that end first are forgotten."""
    monkeypatch.setattr(rates, "MOST_WINDOWS", 20)
    memory, most = rates.Memory(), 0
    for number in range(1000):
        memory.count(str(number), 60)
        memory.count(str(number), 3600)
        most = max(most, len(memory))
    assert 20 == most
    assert 2 == memory.count("999", 3600)[0]
    assert 1 == memory.count("0", 3600)[0]
    assert 1 == memory.count("998", 60)[0]


class SilentRedis:
    """A storage that does not answer before somebody lets it, and then fails."""

    def __init__(self) -> None:
        self.asked = 0
        self.go = threading.Event()

    def count(self, *_: Any) -> tuple[int, float]:
        self.asked += 1
        self.go.wait(30)
        raise TimeoutError


def test_a_storage_that_hangs_is_asked_by_one_request_at_a_time(
    app_of: AppOf, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = [1000.0]
    monkeypatch.setattr(rates.time, "monotonic", lambda: now[0])
    silent = SilentRedis()
    monkeypatch.setattr(rates, "Redis", lambda _: silent)
    app = app_of(spec_with("redis://127.0.0.1:1", "allow"))
    silent.go.set()
    assert 200 == app.test_client().get("/").status_code
    silent.go.clear()
    now[0] += rates.REST_SECONDS
    probe = threading.Thread(target=app.test_client().get, args=["/"])
    probe.start()
    while silent.asked < 2:
        time.sleep(0.001)
    assert [200] * 5 == [app.test_client().get("/").status_code for _ in range(5)]
    assert 2 == silent.asked
    silent.go.set()
    probe.join()
    assert 2 == caplog.text.count("requests cannot be counted (TimeoutError)")


def test_a_window_ends_and_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(rates.time, "monotonic", lambda: now)
    memory = rates.Memory()
    assert [(1, 60.0), (2, 60.0)] == [memory.count("a", 60), memory.count("a", 60)]
    now += 59
    assert (3, 1.0) == memory.count("a", 60)
    now += 1
    assert (1, 60.0) == memory.count("a", 60)
    for number in range(1000):
        memory.count(str(number), 60)
    now += 61
    for number in range(1000):
        memory.count(f"again {number}", 60)
    assert 1000 == len(memory)


@pytest.mark.parametrize(
    ("forwarded", "remote", "proxies", "address"),
    [
        ("1.1.1.1", "9.9.9.9", 0, "9.9.9.9"),
        ("1.1.1.1", "9.9.9.9", 1, "1.1.1.1"),
        ("6.6.6.6, 1.1.1.1", "9.9.9.9", 1, "1.1.1.1"),
        ("6.6.6.6, 1.1.1.1, 2.2.2.2", "9.9.9.9", 2, "1.1.1.1"),
        ("1.1.1.1", "9.9.9.9", 2, "9.9.9.9"),
        ("junk", "9.9.9.9", 1, "9.9.9.9"),
        ("", "2001:db8:1:2:3:4:5:6", 0, "2001:db8:1:2:3:4:5:6"),
        ("1.1.1.1:4711", "9.9.9.9", 1, "1.1.1.1"),
        ("[2001:db8::1]:4711", "9.9.9.9", 1, "2001:db8::1"),
        ("[2001:db8::1]", "9.9.9.9", 1, "2001:db8::1"),
        ("fe80::1%eth0", "9.9.9.9", 1, "fe80::1"),
        ("[fe80::1%2]:80", "9.9.9.9", 1, "fe80::1"),
        ("1.1.1.1 evil", "9.9.9.9", 1, "9.9.9.9"),
        ("", "::ffff:10.0.0.1", 0, "10.0.0.1"),
        ("", "", 0, ""),
    ],
)
def test_the_address_is_what_trusted_proxies_have_written(
    forwarded: str, remote: str, proxies: int, address: str
) -> None:
    environ = {"REMOTE_ADDR": remote, **({"HTTP_X_FORWARDED_FOR": forwarded} if forwarded else {})}
    assert address == client_address(environ, proxies)


def test_what_clients_write_as_their_address_is_not_kept() -> None:
    """Looked up addresses are remembered, but not texts of any length."""
    before = _plain.cache_info().currsize
    for number in range(100):
        forwarded = f"{'6' * 60_000}{number}, {'7' * 60_000}{number}"
        assert "9.9.9.9" == client_address({"REMOTE_ADDR": "9.9.9.9", "HTTP_X_FORWARDED_FOR": forwarded}, 1)
    assert _plain.cache_info().currsize <= before + 1


@pytest.mark.exhaustive
def test_rates_of_several_workers_in_memory_are_warned_of(spec_folder: Path) -> None:
    (spec_folder / "routes.yaml").write_text("service:\n  rate_limit: 100/minute\nroutes: [{path: /, response: hi}]")
    with serving(spec_folder, "-w", "2") as server:
        said = "".join(server.lines)
        mend = 'under service: "rate_limit: {limit: 100/minute, storage: redis://HOST}"'
        assert "routes.yaml:2:15: warning: each of the 2 workers counts separately, so more requests get" in said
        assert mend in said
        replace_file(
            spec_folder / "routes.yaml", b"service:\n\n  rate_limit: 5/minute\nroutes: [{path: /, response: hi}]\n"
        )
        server.wait_for_generation(2)
        assert "routes.yaml:3:15: warning: each of the 2 workers" in "".join(server.lines)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A real Redis server, on a socket in a folder of its own."""
    program = shutil.which("redis-server")
    assert program, "redis-server is not installed"
    socket = tmp_path / "redis.sock"
    arguments = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(tmp_path)]
    with subprocess.Popen([program, *arguments], stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 30
        while not socket.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield process, f"redis+unix://{socket}"
        process.kill()


def spec_with(storage: str, failure: str) -> str:
    rate = f"{{limit: 20/hour, storage: '{storage}', on_storage_failure: {failure}}}"
    return f"service: {{title: Shared, rate_limit: {rate}}}\nroutes: [{{path: /, response: hi}}]"


def test_a_package_that_is_lacking_is_told(spec_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (spec_folder / "routes.yaml").write_text(spec_with("redis://localhost", "allow"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "redis" else name)
    with pytest.raises(Exception, match=r"rates in Redis need other packages: pip install redis\n"):
        load_spec()


@pytest.mark.exhaustive
def test_workers_share_a_rate_in_redis(redis: tuple[Any, str], spec_folder: Path) -> None:
    process, url = redis
    (spec_folder / "routes.yaml").write_text(spec_with(url, "allow"))
    with serving(spec_folder, "-w", "2") as server:
        statuses = [server.request("GET", "/")[0] for _ in range(40)]
        assert [200] * 20 + [429] * 20 == statuses
        process.kill()
        process.wait()
        assert 200 == server.request("GET", "/")[0]
        metrics = server.request("GET", "/metrics")[2].decode()
        assert "warning" not in "".join(server.lines)
    samples = {s.name: s.value for family in text_string_to_metric_families(metrics) for s in family.samples}
    assert samples["engine_rate_limit_storage_failures_total"] >= 1
    told = "".join(server.lines)
    assert "requests cannot be counted (StorageError); they are let through" in told
    assert url not in told


def test_without_redis_a_service_may_refuse(app_of: AppOf, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    client = app_of(spec_with(f"redis+unix://:hunter22@{tmp_path}/nothing.sock", "refuse")).test_client()
    for _ in range(3):
        answer = client.get("/")
        assert (503, "1", "the request rate cannot be checked at the moment") == (
            answer.status_code,
            answer.headers["Retry-After"],
            answer.json["detail"],
        )
    assert "hunter22" not in caplog.text


def test_redis_that_comes_back_is_asked_again(redis: tuple[Any, str], app_of: AppOf) -> None:
    process, url = redis
    client = app_of(spec_with(url, "refuse")).test_client()
    assert 200 == client.get("/").status_code
    process.kill()
    process.wait()
    assert 503 == client.get("/").status_code
    with subprocess.Popen([shutil.which("redis-server"), *process.args[1:]], stdout=subprocess.DEVNULL) as again:
        deadline = time.monotonic() + 30
        while client.get("/").status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        again.kill()


def test_what_the_environment_gives_is_never_shown(spec_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = 'very"secret-' + "x" * 100
    monkeypatch.setenv("ENGINE_TEST_SECRET", secret)
    text = "service: {errors: '${env:ENGINE_TEST_SECRET}', rate_limit: '${env:ENGINE_TEST_SECRET}'}\n"
    (spec_folder / "routes.yaml").write_text(
        text + "routes: [{path: '${env:ENGINE_TEST_SECRET}', response: hi, model: '${env:ENGINE_TEST_SECRET}'}]"
    )
    done = subprocess.run(command("check"), cwd=spec_folder, capture_output=True, text=True, check=False)
    assert 1 == done.returncode
    assert "secret" not in done.stderr
    assert "xxxx" not in done.stderr
    assert '"${env:ENGINE_TEST_SECRET}" is not a rate' in done.stderr


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("proxies: ${env:ENGINE_TEST_A}", {"A": "0xDEADBEEF"}),
        ("proxies: ${env:ENGINE_TEST_A}", {"A": "1.50e10"}),
        ("proxies: ${env:ENGINE_TEST_A}", {"A": "7123"}),
        ("title: ${env:ENGINE_TEST_A}", {"A": "0123456789"}),
        (
            "cors: {origins: ['${env:ENGINE_TEST_A}', '${env:ENGINE_TEST_B}/x']}",
            {"A": "https://c.d", "B": "https://u:hunter2@h"},
        ),
        ("cors: {origins: ['${env:ENGINE_TEST_A}']}", {"A": 'abcdefgh"tail-secret'}),
        ("errors: '${env:ENGINE_TEST_A}'", {"A": 'é"\\' + "long-secret" * 30}),
        ("proxies: 0x${env:ENGINE_TEST_A}", {"A": "DEADBEEF"}),
        ("proxies: ${env:ENGINE_TEST_A}5", {"A": "1e999" + "71234567" * 6}),
        ("built_in: {docs: '/<int(${env:ENGINE_TEST_A}):x>'}", {"A": "hunter2=1"}),
        ("auth: {api_keys: [{name: a, file: '${env:ENGINE_TEST_A}'}]}", {"A": "long-secret/hunter2.sha256"}),
    ],
)
def test_no_form_of_a_value_is_shown(
    text: str, values: dict[str, str], spec_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"ENGINE_TEST_{name}", value)
    (spec_folder / "routes.yaml").write_text(f"service:\n  {text}\nroutes: [{{path: /, response: hi}}]")
    with pytest.raises(Exception, match="error: ") as refused:
        load_spec()
    said = str(refused.value)
    assert "${env:ENGINE_TEST_" in said.splitlines()[0]
    for shown in ("3735928559", "15000000000", "7123", "123456789", "hunter2", "tail", "long-secret"):
        assert shown not in said


@pytest.mark.exhaustive
def test_no_piece_of_a_value_is_shown(spec_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_TEST_A", "${path.hunter2}")
    monkeypatch.setenv("ENGINE_TEST_B", "hunter2.weird")
    (spec_folder / "routes.yaml").write_text(
        "routes: [{path: /, response: '${env:ENGINE_TEST_A}'}, {path: /m, model: m}]"
    )
    (spec_folder / "hunter2.weird").write_text("")
    (spec_folder / "models.yaml").write_text("models: {m: {file: '${env:ENGINE_TEST_B}', input: {type: number}}}")
    done = subprocess.run(command("check"), cwd=spec_folder, capture_output=True, text=True, check=False)
    assert (1, "1 error") == (done.returncode, done.stderr.splitlines()[-1])
    (spec_folder / "routes.yaml").write_text("routes: [{path: /m, model: m}]")
    again = subprocess.run(command("check"), cwd=spec_folder, capture_output=True, text=True, check=False)
    assert (1, "1 error") == (again.returncode, again.stderr.splitlines()[-1])
    for said in (done.stderr, again.stderr):
        assert not re.search("hunter2|weird", said), said
        assert "${env:ENGINE_TEST_" in said.splitlines()[0]


def test_messages_keep_their_own_words(spec_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_TEST_A", "http://example.com/")
    monkeypatch.setenv("ENGINE_TEST_B", "a rate; write me")
    (spec_folder / "routes.yaml").write_text(
        "service: {cors: {origins: ['${env:ENGINE_TEST_A}']}, rate_limit: '${env:ENGINE_TEST_B}'}\n"
        "routes: [{path: /, response: hi}]"
    )
    with pytest.raises(SpecError) as refused:
        load_spec()
    origin, rate = (found.message for found in refused.value.diagnostics)
    assert origin.endswith("in lower case and with no path: https://app.example.com")
    assert "${env:ENGINE_TEST_B} is not a rate; write it as 100/minute, by second, minute, hour or day" == rate


def test_each_variable_of_one_value_is_named_where_it_stands(
    spec_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "AB":
        monkeypatch.setenv(f"ENGINE_TEST_{name}", "<hunter2:name>")
    (spec_folder / "routes.yaml").write_text(
        "routes: [{path: '/a/${env:ENGINE_TEST_A}', response: hi}, {path: '/b/${env:ENGINE_TEST_B}', response: hi}]"
    )
    with pytest.raises(SpecError) as refused:
        load_spec()
    for letter, found in zip("AB", refused.value.diagnostics, strict=True):
        shown = f"${{env:ENGINE_TEST_{letter}}}"
        assert found.message.startswith(f'path "/{letter.lower()}/{shown}": unknown converter "{shown}"')


def test_values_come_from_the_environment(app_of: AppOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_TEST_SIZE", "2")
    monkeypatch.setenv("ENGINE_TEST_TEXT", "no: [yes]")
    app = app_of("""service:
  title: ${env:ENGINE_TEST_TEXT}
  limits:
    instances: ${env:ENGINE_TEST_SIZE}
    body: '${env:NOWHERE:-3 KiB}'
routes:
  - path: /
    response:
      json:
        a: '${env:ENGINE_TEST_SIZE}'
        b: ${env:ENGINE_TEST_SIZE}
        c: $${env:X}
""")
    service = app.handler.spec.service
    assert ("no: [yes]", 2, 3072) == (service.title, service.limits.instances, service.limits.body)
    assert {"a": "2", "b": 2, "c": "${env:X}"} == app.test_client().get("/").json
