"""Clients that dribble hold threads and connections, and neither starve the others nor delay the end."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from serving import Server

# It measures seconds or memory that others would take from it.
pytestmark = pytest.mark.alone

DRIBBLERS = 300
ASKED = 2000
# What a healthy client's 99th percentile may grow by, and a floor for it: two busy cores jitter by a few ms.
FACTOR, FLOOR_SECONDS = 3.0, 0.010
GRACE_SECONDS = 12.0
SPEC = """routes:
  - path: /
    response: hello
  - path: /echo
    input: {type: object}
    response: {json: {ok: true}}
"""
HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n"
BODY = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"


@pytest.fixture
def server(tmp_path: Path, serve_here: Callable[..., Server]) -> Server:
    (tmp_path / "routes.yaml").write_text(SPEC)
    return serve_here()


@contextlib.contextmanager
def dribbling(server: Server) -> Iterator[None]:
    """Half of the clients never end their headers, half their bodies; each sends a byte every 2 seconds."""
    with contextlib.ExitStack() as stack:
        clients = []
        for begun in (HEAD, BODY):
            for _ in range(DRIBBLERS):
                client = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=30))
                client.sendall(begun)
                clients.append(client)
        stop = threading.Event()

        def dribble() -> None:
            while not stop.wait(2):
                for client in clients:
                    with contextlib.suppress(OSError):
                        client.sendall(b"x")

        thread = threading.Thread(target=dribble)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def percentile_99(server: Server) -> float:
    """What one healthy client sees, of requests on one connection, half of them with a body."""
    taken = []
    with contextlib.closing(server.connect()) as connection:
        for number in range(ASKED):
            begin = time.monotonic()
            if number % 2:
                connection.request("POST", "/echo", body=json.dumps({"number": number}))
            else:
                connection.request("GET", "/")
            answer = connection.getresponse()
            answer.read()
            assert 200 == answer.status
            taken.append(time.monotonic() - begin)
    return sorted(taken)[int(len(taken) * 0.99)]


def test_600_dribbling_clients_do_not_starve_a_healthy_one(server: Server) -> None:
    alone = percentile_99(server)
    with dribbling(server):
        among_them = percentile_99(server)
    assert among_them <= max(FACTOR * alone, FLOOR_SECONDS), f"p99 {among_them:.4f} s, without them {alone:.4f} s"


def test_dribbling_clients_do_not_delay_the_end(server: Server) -> None:
    with dribbling(server):
        begin = time.monotonic()
        assert 0 == server.stop()
        assert time.monotonic() - begin < GRACE_SECONDS
