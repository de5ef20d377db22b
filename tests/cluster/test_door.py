"""The door for Ray Serve's requests: the answers that Flask's door gives, whatever arrives at it."""

from __future__ import annotations

import asyncio
import gzip
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine import create_app
from engine.flask_app import App
from engine.handling import open_service
from engine.handling.answers import Counted
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
  - path: /waits
    limits: {concurrent: 2}
    delay: 10s
    response: late
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

    encoded = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    whole = scope_of(path, query_string=query.encode(), method=method, headers=encoded, **options)
    asyncio.run(door(whole, receive, send))
    if not sent:
        return 0, [], b""
    found = [(name.decode(), value.decode()) for name, value in sent[0]["headers"]]
    return sent[0]["status"], found, b"".join(one["body"] for one in sent[1:])


def scope_of(path: str, *, headers: Iterable[tuple[bytes, bytes]] = (), **keys: Any) -> dict[str, Any]:
    """Make ASGI's scope of a request."""
    return {
        "type": "http",
        "method": "GET",
        "http_version": "1.1",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"localhost"), *headers],
        "client": ("127.0.0.1", 1),
        **keys,
    }


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
    wanted_status, all_wanted, wanted_content = of_flask(app, path, method, headers, body)
    wanted = [one for one in all_wanted if one[0] != "x-request-id"]  # Ray adds it to every answer itself
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


@pytest.mark.parametrize("length", ["abc", "-8", "+8", "8_0", "8, 9", "\xb2", "9" * 5000])
def test_lengths_that_are_none(length: str, door: Door) -> None:
    headers = [JSON, ("Content-Length", length)]
    status, _, content = ask(door, "/echo", "POST", headers, [b'{"a": 1}'])
    assert (400, True) == (status, b"the Content-Length is not a number of bytes" in content)


def test_a_length_that_is_sent_twice(door: Door) -> None:
    assert 200 == ask(door, "/echo", "POST", [JSON, ("Content-Length", "8, 8")], [b'{"a": 1}'])[0]


def cancel(door: Door, path: str, begun: Callable[[], bool], **options: Any) -> list[Any]:
    """Send a request, and cancel it, as Ray does where a client leaves; return what was sent to the client."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)
        await asyncio.sleep(0)

    async def leave() -> None:
        asked = asyncio.create_task(door(scope_of(path, **options), receive, send))
        async with asyncio.timeout(10):
            while not begun():  # noqa: ASYNC110 - a thread says so
                await asyncio.sleep(0.001)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked

    asyncio.run(leave())
    return sent


def counted(door: Door) -> dict[tuple[str, int], int]:
    assert door.handler is not None
    requests = door.handler.meter.numbers().requests
    return {(path, int(status)): sum(tally.counts) for (path, _, status), tally in requests.items()}


def test_clients_that_leave_while_their_answer_is_delayed(door: Door) -> None:
    """Each is counted once, and gives its place to the next."""
    for _ in range(5):
        assert [] == cancel(door, "/waits", lambda: door.in_flight() == 1)
    assert ({("/waits", 499): 5}, 0) == (counted(door), door.in_flight())


def test_clients_that_leave_while_a_thread_answers_them(door: Door) -> None:
    """What a thread has begun is awaited, counted once and freed; what none has begun, is not begun."""
    handler = door.handler
    assert handler is not None
    respond, working, go_on = handler.respond, threading.Semaphore(0), threading.Event()

    def wait(incoming: Any) -> Any:
        answer = respond(incoming)
        working.release()
        threading.Timer(0.1, go_on.set).start()
        go_on.wait()
        return answer

    handler.respond = wait  # type: ignore[method-assign]
    for _ in range(5):
        go_on.clear()
        assert [] == cancel(door, "/waits", lambda: working.acquire(blocking=False))
        assert go_on.is_set()
    assert {("/waits", 499): 5} == counted(door)
    block = threading.Event()
    for _ in range(4):
        door._threads.submit(block.wait)
    assert [] == cancel(door, "/none", lambda: door.in_flight() == 1)
    block.set()
    assert {("/waits", 499): 5, ("(none)", 499): 1} == counted(door)


def test_a_client_that_leaves_with_half_a_body_is_counted(door: Door) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"8")]
    cancel(door, "/echo", lambda: door.in_flight() == 1, method="POST", headers=headers)
    ask(door, "/echo", "POST", [JSON, ("Content-Length", "8")], [b"{"], leaves=True)
    assert {("/echo", 499): 2} == counted(door)


def test_an_answer_in_pieces_is_closed_where_the_client_leaves(door: Door) -> None:
    handler = door.handler
    assert handler is not None
    closed: list[str] = []
    working = threading.Semaphore(0)

    def pieces() -> Iterator[bytes]:
        try:
            yield b"one"
            working.release()
            time.sleep(0.1)
            yield b"two"
        finally:
            closed.append("closed")

    def respond(incoming: Any) -> Any:
        handler.router.find(incoming)
        return 200, [], Counted(pieces(), lambda: handler.leave(incoming, 200))

    handler.respond = respond  # type: ignore[method-assign]
    handler.quick = lambda _: None  # type: ignore[method-assign]
    sent = cancel(door, "/", lambda: working.acquire(blocking=False))
    assert (["closed"], {("/", 200): 1}, 0) == (closed, counted(door), door.in_flight())
    assert b"two" not in [one.get("body") for one in sent]


def test_bodies_together_have_bounds(door: Door) -> None:
    door.largest = 10**6
    door._held.most = 50_000
    chunked = [JSON, ("Transfer-Encoding", "chunked")]
    status, headers, content = ask(door, "/echo", "POST", chunked, [b"x" * 10_000] * 9)
    assert (503, True) == (status, ("retry-after", "1") in headers)
    assert b"the service is receiving too many other bodies" in content
    assert 200 == ask(door, "/echo", "POST", chunked, [b'{"a": 1}' + b" " * 900])[0]
    assert door._held.add(50_000)


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
