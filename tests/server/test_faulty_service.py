"""Delays and failures of a whole service: over TLS, and at a stop."""

from __future__ import annotations

import shutil
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from certificates import make_pair
from serving import Server, serving

HEAD = b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n"


def send(server: Server, path: bytes) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    client.sendall(HEAD % path)
    return client


def read_all(client: socket.socket) -> None:
    """Read to the end, whatever comes, such as the tickets of TLS."""
    client.settimeout(60)
    while client.recv(1000):
        pass


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_failures_over_tls_are_those_of_the_connection(tmp_path: Path) -> None:
    pair = make_pair(tmp_path, "a")
    trust = ssl.create_default_context(cafile=str(pair.chain))
    (tmp_path / "routes.yaml").write_text(
        """
routes:
  - {path: /reset, response: a, fail: reset}
  - {path: /timeout, response: a, fail: timeout, for: 100ms}
  - {path: /delay, response: {text: a}, delay: 100ms}
"""
    )
    with serving(tmp_path, "-w", "1", "--tls-cert", str(pair.chain), "--tls-key", str(pair.key)) as server:

        def ask(path: bytes) -> ssl.SSLSocket:
            plain = socket.create_connection(("127.0.0.1", server.port), timeout=60)
            client = trust.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False)
            client.sendall(HEAD % path)
            return client

        with socket.socket(fileno=ask(b"/reset").detach()) as client, pytest.raises(ConnectionResetError):
            read_all(client)
        with ask(b"/timeout") as client, pytest.raises(ssl.SSLEOFError):
            client.recv(1000)
        with ask(b"/delay") as client:
            assert client.recv(1000).endswith(b"\r\n\r\na")
        assert 0 == server.stop()
    assert [] == [line for line in server.lines if "WARNING" in line or "ERROR" in line]


def test_a_stop_ends_what_waits(tmp_path: Path, serve_here: Callable[..., Server]) -> None:
    """The service would be killed, with a warning, if it waited; delayed requests are answered."""
    (tmp_path / "routes.yaml").write_text(
        "routes: [{path: /held, response: a, fail: timeout, for: 60s}, {path: /delay, response: {text: a}, delay: 60s}]"
    )
    server = serve_here()
    held, delayed = ([send(server, path) for _ in range(50)] for path in (b"/held", b"/delay"))
    deadline = time.monotonic() + 30
    while b"engine_requests_in_flight 101.0" not in server.request("GET", "/metrics")[2]:  # the scrape is one
        assert time.monotonic() < deadline
    assert 0 == server.stop()
    assert {b""} == {client.recv(1) for client in held}
    answers = [client.recv(1000) for client in delayed]
    assert {True} == {answer.endswith(b"\r\n\r\na") for answer in answers}
    assert {True} == {b"connection: close" in answer.lower() for answer in answers}
    for client in (*held, *delayed):
        client.close()
    assert [] == [line for line in server.lines if "WARNING" in line or "ERROR" in line]
