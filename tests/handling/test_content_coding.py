"""Content codings of bodies: decoded by Python's own gzip and zlib and here alike, within bounds of size and memory."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import flask
import pytest
from handler_door import Door
from werkzeug.test import Client

from engine.endpoints import Problem
from engine.handling.request_body import Decoder

ROUTES = json.dumps(
    {
        "service": {"limits": {"body": 2000}},
        "routes": [
            {"path": "/stars", "input": {"properties": {"stars": {"type": "integer"}}}, "response": {"text": "thanks"}},
            {"path": "/page", "methods": ["GET", "POST"], "response": "page"},
        ],
    }
)
BODY = b'{"stars": 5}'
LIMIT = 1024 * 1024


def bare(data: bytes) -> bytes:
    """Deflate without zlib's frame, as some clients send it."""
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(data) + deflater.flush()


CODED: dict[str, tuple[str, bytes]] = {
    "gzip": ("gzip", gzip.compress(BODY)),
    "gzip in several members": ("gzip", gzip.compress(BODY[:5]) + gzip.compress(b"") + gzip.compress(BODY[5:])),
    "gzip by its old name, in capitals": ("X-GZIP", gzip.compress(BODY)),
    "deflate": ("deflate", zlib.compress(BODY)),
    "deflate without a frame": ("deflate", bare(BODY)),
    "identity": ("identity", BODY),
    "nothing": ("", BODY),
}
REFUSED: dict[str, tuple[str, bytes, int, str]] = {
    "a coding that is not known": ("br", BODY, 415, 'the content coding "br" is not supported; send gzip, deflate, or'),
    "two codings": ("gzip, gzip", gzip.compress(gzip.compress(BODY)), 415, 'the content coding "gzip, gzip" is not'),
    "no gzip": (
        "gzip",
        BODY,
        400,
        "the body is not valid gzip, as its Content-Encoding says; send it compressed whole, or without that header",
    ),
    "no deflate": (
        "deflate",
        BODY,
        400,
        "the body is not valid deflate, as its Content-Encoding says; send it compressed whole, or without that header",
    ),
    "gzip without its end": ("gzip", gzip.compress(BODY)[:-4], 400, "the body is not valid gzip"),
    "gzip of another checksum": ("gzip", gzip.compress(BODY)[:-8] + b"x" * 8, 400, "the body is not valid gzip"),
    "gzip with more behind it": ("gzip", gzip.compress(BODY) + b"x", 400, "the body is not valid gzip"),
    "deflate with more behind it": ("deflate", zlib.compress(BODY) + b"x" * 5000, 413, "the body is larger than 2,000"),
    "a byte too many": (
        "gzip",
        gzip.compress(b" " * 2001),
        413,
        "the body is larger than 2,000 bytes once it is decoded",
    ),
    "a bomb": ("gzip", gzip.compress(b" " * 1_000_000), 413, "the body is larger than 2,000 bytes once it is decoded"),
    "a violation": ("gzip", gzip.compress(b'{"stars": "x"}'), 422, "1 violation"),
}


@pytest.fixture(params=["app", "worker"])
def client(app_of: Callable[..., flask.Flask], request: pytest.FixtureRequest) -> Client:
    """The app as any WSGI server has it, and its handler as a worker asks it."""
    app = app_of(ROUTES)
    return Client(Door(app) if request.param == "worker" else app)  # type: ignore[arg-type]


def post(client: Client, coding: str, body: bytes, path: str = "/stars") -> Any:
    return client.post(path, data=body, headers={"Content-Encoding": coding} if coding else {})


@pytest.mark.parametrize("name", CODED)
def test_a_body_is_read_in_its_coding(client: Client, name: str) -> None:
    answer = post(client, *CODED[name])
    assert (200, "thanks") == (answer.status_code, answer.text)


@pytest.mark.parametrize("name", REFUSED)
def test_a_body_that_is_not_what_its_coding_says(client: Client, name: str) -> None:
    coding, body, status, detail = REFUSED[name]
    answer = post(client, coding, body)
    assert (status, True) == (answer.status_code, answer.get_json()["detail"].startswith(detail)), answer.text
    assert ("gzip, deflate" if status == 415 else None) == answer.headers.get("Accept-Encoding")


def test_the_largest_body_is_taken(client: Client) -> None:
    assert 200 == post(client, "gzip", gzip.compress(BODY + b" " * (2000 - len(BODY)))).status_code


def test_a_route_that_reads_no_body_decodes_none(client: Client) -> None:
    assert 200 == post(client, "br", b"x", "/page").status_code


def test_a_bomb_takes_bounded_memory() -> None:
    """Sixty times the limit, in gzip of a sixteenth."""
    bomb = gzip.compress(b"\0" * (60 * LIMIT))
    decoder = Decoder(LIMIT)
    tracemalloc.start()
    try:
        with pytest.raises(Problem, match="larger than 1,048,576 bytes"):
            decoder.decode(bomb, "gzip", LIMIT)
        assert tracemalloc.get_traced_memory()[1] < 4 * LIMIT
    finally:
        tracemalloc.stop()


def test_decoded_bodies_have_bounded_memory_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.handling.request_body.HELD_BYTES", 3 * LIMIT)
    decoder, body = Decoder(LIMIT), gzip.compress(b"\0" * LIMIT)
    held = [decoder.decode(body, "gzip", LIMIT) for _ in range(3)]
    with pytest.raises(Problem) as refused:
        decoder.decode(body, "gzip", LIMIT)
    assert (503, ("Retry-After", "1")) == (refused.value.status, *refused.value.headers)
    decoder.release(len(held.pop()))
    assert LIMIT == len(decoder.decode(body, "gzip", LIMIT))


@pytest.mark.parametrize(
    "coded",
    [gzip.compress(BODY), BODY, gzip.compress(b" " * 3000)],
    ids=["gzip", "plain", "more than it may"],  # gzip has the time in it, and processes must agree on the names
)
def test_what_an_answered_body_had_is_given_back(
    app_of: Callable[..., flask.Flask], monkeypatch: pytest.MonkeyPatch, coded: bytes
) -> None:
    monkeypatch.setattr("engine.handling.request_body.HELD_BYTES", 4000)
    client = app_of(ROUTES).test_client()
    first = [post(client, "gzip", coded).status_code for _ in range(10)]
    assert [first[0]] * 10 == first != [503] * 10
