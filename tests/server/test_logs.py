"""What a service writes about itself, and the names by which requests are known."""

from __future__ import annotations

import json
import logging
import re
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import flask
import pytest
from serving import Server, command

from engine.server.logs import JsonFormatter, TextFormatter

AppOf = Callable[..., flask.Flask]
ROUTES = "routes: [{path: /, response: hi}, {path: '/a/<name>', response: '${path.name}'}]"
TRACE = f"00-{'a' * 32}-{'b' * 16}-01"


def lines(server: Server, count: int) -> list[str]:
    """The lines of requests, once there are so many."""
    deadline = time.monotonic() + 30
    while len(found := [line for line in server.lines if re.search(r'"method":| ms ', line)]) < count:
        assert time.monotonic() < deadline, server.lines
        time.sleep(0.01)
    return found


def test_a_line_for_each_request_as_json(serve_here: Callable[..., Server], tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text(ROUTES)
    server = serve_here("-w", "1", "--log-requests", "--log-format", "json")
    answers = [
        server.request("GET", "/?key=secret", headers={"X-Request-ID": "abc-1", "traceparent": TRACE}),
        server.request("GET", "/a/b%0Ac%22%1B%5B2J"),
        server.request("GET", "/nix", headers={"X-Request-ID": 'a"\t b', "Authorization": "Bearer secret"}),
    ]
    found = {event["path"]: event for event in map(json.loads, lines(server, 3))}  # workers write in any order
    events = [found[path] for path in ("/", "/a/b%0Ac%22%1B%5B2J", "/nix")]
    assert 3 == len(found)
    assert [200, 200, 404] == [event["status"] for event in events]
    assert ("abc-1", "a" * 32) == (events[0]["request_id"], events[0]["trace_id"])
    assert [event["request_id"] for event in events] == [headers["x-request-id"] for _, headers, _ in answers]
    assert TRACE == answers[0][1]["traceparent"]
    assert re.fullmatch("[0-9a-f]{32}", events[2]["request_id"])
    assert events[0].keys() >= {"time", "level", "message", "pid", "method", "bytes", "seconds", "client"}
    assert "secret" not in "".join(server.lines)


def test_a_line_for_each_request_as_text(serve_here: Callable[..., Server], tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text(ROUTES)
    server = serve_here("-w", "1", "--log-requests")
    server.request("GET", "/", headers={"X-Request-ID": "abc-1"})
    (line,) = lines(server, 1)
    assert re.search(r" INFO GET / 200 2 B \d+\.\d\d ms 127\.0\.0\.1 abc-1$", line.strip())


def test_a_line_names_the_key_and_the_client_behind_a_proxy(
    serve_here: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_TEST_KEY", "a-key-of-some-length")
    keys = "auth: {api_keys: [{name: ci, env: ENGINE_TEST_KEY}]}"
    (tmp_path / "routes.yaml").write_text(f"service: {{proxies: 1, {keys}}}\n{ROUTES}")
    server = serve_here("-w", "1", "--log-requests")
    sent = {"X-Request-ID": "abc-1", "X-API-Key": "a-key-of-some-length", "X-Forwarded-For": "6.6.6.6, 2001:db8::1"}
    server.request("GET", "/", headers=sent)
    (line,) = lines(server, 1)
    assert line.strip().endswith(" ms 2001:db8::1 abc-1 key ci")
    assert "a-key-of-some-length" not in "".join(server.lines)


def test_with_json_every_line_is_json(serve_here: Callable[..., Server], tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text(f"service: {{rate_limit: 9/minute}}\n{ROUTES}")
    server = serve_here("--log-format", "json", "-w", "2")
    assert 0 == server.stop()
    said = [json.loads(line) for line in server.lines]
    assert ["info", "warning", "info", "info", "info"] == [event["level"] for event in said]
    assert said[1]["message"].startswith("routes.yaml:1:23: warning: each of the 2 workers counts separately")
    assert [
        "checking routes.yaml",
        f"serving on http://127.0.0.1:{server.port}",
        "stopping; finishing requests in progress",
        "stopped",
    ] == [event["message"] for event in (said[0], *said[2:])]


@pytest.mark.parametrize(
    ("routes", "is_free", "told"),
    [
        ("routes: [{path: /, respons: hi}]", True, r"routes\.yaml:1:20: error: unknown key \"respons\" in a route "),
        (ROUTES, False, r"port \d+ on 127\.0\.0\.1 is already in use; choose another with -p"),
    ],
)
def test_with_json_a_failed_start_is_json_too(routes: str, is_free: bool, told: str, tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text(routes)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = "0" if is_free else str(taken.getsockname()[1])
        done = subprocess.run(
            command("serve", "--log-format", "json", "-p", port),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    *begun, event = map(json.loads, done.stderr.splitlines())
    assert [("info", "checking routes.yaml")] * is_free == [(one["level"], one["message"]) for one in begun]
    assert (1, "", "error") == (done.returncode, done.stdout, event["level"])
    assert re.match(told, event["message"])


def test_no_line_where_none_is_wanted(serve_here: Callable[..., Server], tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text(ROUTES)
    server = serve_here("-w", "1")
    _, headers, _ = server.request("GET", "/")
    assert "x-request-id" not in headers
    server.stop()
    assert not [line for line in server.lines if " ms " in line]


def test_odd_bytes_break_no_line(serve_here: Callable[..., Server], tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text(ROUTES)
    server = serve_here("-w", "1", "--log-requests", "--log-format", "json")
    with socket.create_connection(("127.0.0.1", server.port)) as raw:
        raw.sendall(
            b"BREW /%c3%a9%00%0d%0aInjected:1 HTTP/1.1\r\nHost: x\r\nX-Request-ID: a b\r\nConnection: close\r\n\r\n"
        )
        raw.settimeout(10)
        while raw.recv(65536):
            pass
    server.request("GET", "/")
    paths = {json.loads(line)["path"] for line in lines(server, 2)}
    assert {"/%C3%A9%00%0D%0AInjected:1", "/"} == paths


@pytest.mark.parametrize("sent", ["abc", "A-1.b_c:/+=@", "x" * 128])
def test_a_sound_name_is_given_back(sent: str, app_of: AppOf) -> None:
    assert sent == app_of(ROUTES).test_client().get("/nix", headers={"X-Request-ID": sent}).headers["X-Request-ID"]


@pytest.mark.parametrize("sent", ["", "a b", "x" * 129, "é", "<b>", 'a"b'])
def test_another_is_not(sent: str, app_of: AppOf) -> None:
    assert "X-Request-ID" not in app_of(ROUTES).test_client().get("/", headers={"X-Request-ID": sent}).headers


def test_a_failure_is_known_by_the_clients_name(app_of: AppOf, caplog: pytest.LogCaptureFixture) -> None:
    app = app_of(ROUTES)
    app.add_url_rule("/fails", "fails", lambda: 1 / 0)
    answer = app.test_client().get("/fails", headers={"X-Request-ID": "abc-1"})
    assert (500, "abc-1", "abc-1") == (answer.status_code, answer.json["request_id"], answer.headers["X-Request-ID"])
    assert "request abc-1 failed" in caplog.text
    made = app.test_client().get("/fails")
    assert made.json["request_id"] == made.headers["X-Request-ID"]
    traced = app.test_client().get("/fails", headers={"traceparent": TRACE})
    assert ("a" * 32, TRACE) == (traced.json["request_id"], traced.headers["traceparent"])


def record(level: int, message: str) -> logging.LogRecord:
    return logging.LogRecord("engine", level, __file__, 1, message, None, None)


def test_json_has_one_line_for_an_exception_too() -> None:
    failed = record(logging.ERROR, "two\nlines")
    try:
        int("inside")
    except ValueError as error:
        failed.exc_info = (ValueError, error, error.__traceback__)
    text = JsonFormatter().format(failed)
    assert "\n" not in text
    event = json.loads(text)
    assert ("error", "two\nlines") == (event["level"], event["message"])
    assert "ValueError: invalid literal" in event["exception"]


def test_no_line_of_a_traceback_looks_like_an_event() -> None:
    failed = record(logging.ERROR, "it failed")
    try:
        {}["bad\n2026-01-01 INFO forged\x1b[2J"]
    except KeyError as error:
        forged = ValueError(error.args[0])
        failed.exc_info = (ValueError, forged, error.__traceback__)
    first, *rest = TextFormatter(coloured=False).format(failed).splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d ERROR it failed", first)
    assert rest
    assert all(line.startswith("  ") and "\x1b" not in line for line in rest)


def test_the_level_is_coloured_on_a_terminal_alone() -> None:
    assert "\x1b[33mWARNING\x1b[0m watch out" in TextFormatter(coloured=True).format(
        record(logging.WARNING, "watch out")
    )
    assert "\x1b" not in TextFormatter(coloured=False).format(record(logging.WARNING, "watch out"))
