"""The door for Ray Serve's requests: the answers that Flask's door gives, whatever arrives at it."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine import create_app
from engine.flask_app import App
from engine.handling import open_service
from engine.ray.door import Door

SPEC = """\
service:
  title: Door
  limits: {body: 1000 B, body_time: 300ms}
  response_headers: {X-Of: the service}
routes:
  - path: /
    response: hello
  - path: /items/<int:id>
    query: {properties: {q: {type: string}}}
    response: {json: {id: "${path.id}", q: "${query.q:-none}"}}
  - path: /echo
    methods: [POST]
    input: {type: object, properties: {a: {type: integer}}, required: [a]}
    response: {json: {got: "${body}"}}
  - path: /slow
    delay: 20ms
    response: late
  - path: /fails
    fail: reset
    response: never
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "routes.yaml").write_text(SPEC)
    return tmp_path / "routes.yaml"


@pytest.fixture
def door(file: Path) -> Iterator[Door]:
    door = Door(4)
    door.serve(open_service(file)[0])
    return door


@pytest.fixture
def app(file: Path) -> App:
    return create_app(file)


Sent = tuple[int, list[tuple[str, str]], bytes]


def ask(
    door: Door,
    path: str,
    method: str = "GET",
    headers: Iterable[tuple[str, str]] = (),
    body: Iterable[bytes] = (),
    **options: Any,
) -> Sent:
    """Send one request through the door, its body piece by piece.

    A client that `leaves` is gone after that, one that `waits` goes on after so many seconds; other options are keys of
    ASGI's scope.
    """
    leaves, waits = options.pop("leaves", False), options.pop("waits", 0.0)
    path, _, query = path.partition("?")
    sent: list[dict[str, Any]] = []
    pieces = list(body)

    async def receive() -> dict[str, Any]:
        if pieces:
            piece = pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(pieces) or leaves or bool(waits)}
        if leaves:
            return {"type": "http.disconnect"}
        await asyncio.sleep(waits)
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    whole = {
        "type": "http",
        "method": method,
        "http_version": "1.1",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(b"host", b"localhost"), *((name.lower().encode(), value.encode()) for name, value in headers)],
        "client": ("127.0.0.1", 1),
        **options,
    }
    asyncio.run(door(whole, receive, send))
    if not sent:
        return 0, [], b""
    found = [(name.decode(), value.decode()) for name, value in sent[0]["headers"]]
    return sent[0]["status"], found, b"".join(one["body"] for one in sent[1:])


def of_flask(
    app: App, path: str, method: str = "GET", headers: Iterable[tuple[str, str]] = (), body: bytes = b""
) -> Sent:
    answer = app.test_client().open(path, method=method, headers=list(headers), data=body)
    return answer.status_code, [(name.lower(), value) for name, value in answer.headers], answer.data


JSON = ("Content-Type", "application/json")


@pytest.mark.parametrize(
    ("path", "method", "headers", "body"),
    [
        ("/", "GET", [], b""),
        ("/", "HEAD", [], b""),
        ("/", "POST", [], b""),
        ("/none", "GET", [], b""),
        ("/items/7?q=a%20b", "GET", [], b""),
        ("/items/%C3%A9", "GET", [], b""),
        ("/items/7/", "GET", [], b""),
        ("/echo", "POST", [JSON], b'{"a": 1}'),
        ("/echo", "POST", [JSON], b'{"a": "x"}'),
        ("/echo", "POST", [JSON], b'{"a": '),
        ("/echo", "POST", [("Content-Type", "text/plain")], b"x"),
        ("/echo", "POST", [JSON], b"x" * 1001),
        ("/echo", "POST", [JSON, ("Content-Encoding", "gzip")], gzip.compress(b'{"a": 2}')),
        ("/echo", "OPTIONS", [], b""),
        ("/slow", "GET", [], b""),
        ("/livez", "GET", [], b""),
        ("/", "GET", [("X-Request-ID", "mine"), ("traceparent", f"00-{'a' * 32}-{'b' * 16}-01")], b""),
        ("/" + "x" * 9000, "GET", [], b""),
    ],
)
def test_the_answers_are_those_of_flasks_door(
    path: str, method: str, headers: list[tuple[str, str]], body: bytes, door: Door, app: App
) -> None:
    lengths = [("Content-Length", str(len(body)))] if body else []
    status, found, content = ask(door, path, method, [*headers, *lengths], [body[:3], body[3:]] if body else [])
    wanted_status, headers_of_flask, wanted_content = of_flask(app, path, method, headers, body)
    wanted = [(name, value) for name, value in headers_of_flask if name != "x-request-id"]  # Ray's server adds it
    assert (wanted_status, sorted(wanted), wanted_content) == (status, sorted(found), content)


def test_a_chunked_body_is_read_to_its_end(door: Door) -> None:
    pieces = [b'{"a"', b": ", b"5", b"}"]
    answer = ask(door, "/echo", "POST", [JSON, ("Transfer-Encoding", "chunked")], pieces)
    assert (200, b'{"got":{"a":5}}\n') == (answer[0], answer[2])


def test_a_body_beyond_every_limit_is_not_read(door: Door) -> None:
    taken: list[bytes] = []

    def pieces() -> Iterator[bytes]:
        for _ in range(100):
            taken.append(b"x" * 600)
            yield taken[-1]

    body = list(pieces())
    status, _, content = ask(door, "/echo", "POST", [JSON, ("Transfer-Encoding", "chunked")], body)
    assert (413, True) == (status, b"1,000 bytes" in content)


def test_a_body_that_does_not_come_is_given_up(door: Door) -> None:
    sizes = [JSON, ("Content-Length", "8")]
    status, _, content = ask(door, "/echo", "POST", sizes, [b"{"], waits=5.0)
    assert (408, True) == (status, b"limits.body_time" in content)


def test_a_client_that_leaves_gets_nothing(door: Door) -> None:
    assert 0 == ask(door, "/echo", "POST", [JSON, ("Content-Length", "8")], [b"{"], leaves=True)[0]
    assert 0 == door.in_flight()


def test_a_connection_that_should_fail_is_answered_instead(door: Door) -> None:
    status, headers, content = ask(door, "/fails")
    assert (502, True) == (status, ("x-of", "the service") in headers)
    assert b"Ray does not let a replica close a connection" in content


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([("Transfer-Encoding", "gzip")], 501),
        ([("Host", "another")], 400),
        ([("X-Long", "x" * 70_000)], 431),
    ],
)
def test_heads_that_no_door_takes(headers: list[tuple[str, str]], status: int, door: Door) -> None:
    assert status == ask(door, "/", "GET", headers)[0]


def test_the_prefix_that_ray_knows_belongs_to_the_path(door: Door) -> None:
    """Whether Ray's ingress leaves it in the path (https://asgi.readthedocs.io/en/latest/specs/www.html) or not."""
    for path in ("/none", "/prefix/none"):
        status, _, content = ask(door, path, root_path="/prefix")
        assert (404, True) == (status, b"/prefix/none" in content)


def test_addresses_of_rays_proxy_are_not_those_of_clients(file: Path) -> None:
    for knows, status in ((True, 200), (False, 403)):
        door = Door(4, knows_clients=knows)
        door.serve(open_service(file)[0])
        assert status == ask(door, "/-/status")[0]


def test_the_server_begins_and_ends_it(door: Door) -> None:
    events = ["lifespan.startup", "lifespan.shutdown"]
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": events.pop(0)}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    asyncio.run(door({"type": "lifespan"}, receive, send))
    assert ["lifespan.startup.complete", "lifespan.shutdown.complete"] == sent
