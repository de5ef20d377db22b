"""The sockets of a service: a connection comes to a worker that is there, and none is lost with a worker."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from serving import Server, pause

from engine.errors import ServeError
from engine.server.listening.listener import Listener, listen_on

CONNECTIONS = 64
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere workers share one socket")


@contextlib.contextmanager
def connected(port: int, count: int = CONNECTIONS) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as opened:
        address = ("127.0.0.1", port)
        yield [opened.enter_context(socket.create_connection(address, timeout=30)) for _ in range(count)]


def accept_all(listener: Listener, workers: int) -> list[int]:
    """How many connections wait for each worker."""
    found = [0] * workers
    for place in range(workers):
        waiting = listener.of(place + 1)
        waiting.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                waiting.accept()[0].close()
                found[place] += 1
    return found


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_connections_come_to_every_worker(host: str) -> None:
    if host == "::1" and not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    with listen_on(host, 0, 3) as listener, contextlib.ExitStack() as opened:
        for _ in range(CONNECTIONS):
            opened.enter_context(socket.create_connection((host, listener.port), timeout=30))
        assert CONNECTIONS == listener.count_waiting()
        found = accept_all(listener, 3)
    assert CONNECTIONS == sum(found)
    assert min(found) >= 5  # of 64 for 3, fewer than 5 come to one in a run of 10 million


def test_the_kernel_ends_connections_whose_clients_are_gone() -> None:
    """Accepted sockets have the deadline of the one that listens (tcp(7), TCP_USER_TIMEOUT)."""
    with listen_on("127.0.0.1", 0, 2) as listener, connected(listener.port, 16):
        for number in (1, 2):
            accepted, _ = listener.of(number).accept()
            with accepted:
                assert 60_000 == accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)


@pytest.mark.parametrize("there", [[1], [3], [1, 3], [2, 3]])
def test_connections_come_to_the_workers_that_are_there(there: list[int]) -> None:
    with listen_on("127.0.0.1", 0, 3) as listener:
        listener.aim(there)
        with connected(listener.port):
            found = accept_all(listener, 3)
        assert there == [place + 1 for place, count in enumerate(found) if count]
        listener.aim([])
        with connected(listener.port):
            assert all(accept_all(listener, 3))


def test_nobody_else_gets_the_address() -> None:
    with listen_on("127.0.0.1", 0, 2) as listener:
        for workers in (1, 2):
            with pytest.raises(ServeError, match=f"port {listener.port} on 127.0.0.1 is already in use"):
                listen_on("127.0.0.1", listener.port, workers)


def test_one_socket_serves_all_where_the_kernel_does_not_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.server.listening.listener._SO_ATTACH_REUSEPORT_CBPF", 9999)
    with listen_on("127.0.0.1", 0, 3) as listener:
        assert listener.of(1) is listener.of(2) is listener.of(3)
        assert 0 == listener.of(1).getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)
        listener.aim([2])
        with connected(listener.port, 5):
            assert 5 == listener.count_waiting()


def test_clients_that_stay_are_spread_over_the_workers(serve_here: Callable[..., Server], tmp_path: Path) -> None:
    """As a load balancer's connections do: opened at once, and kept."""
    (tmp_path / "routes.yaml").write_text("routes: [{path: /, response: hi}]")
    server = serve_here("--log-requests", "--log-format", "json")
    server.wait_until(lambda status: all(one["generation"] and one["responds"] for one in status["workers"]))
    with connected(server.port) as clients:
        for client in clients:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        for client in clients:
            assert client.recv(65536).startswith(b"HTTP/1.1 200")
    assert 0 == server.stop()
    events = [json.loads(line) for line in server.lines if '"method"' in line]
    asked = Counter(event["pid"] for event in events if event["path"] == "/")
    assert CONNECTIONS == asked.total()
    assert 2 == len(asked)
    assert min(asked.values()) >= 8  # of 64 for 2, fewer than 8 come to one in a run of 10 million


def test_who_waits_for_a_worker_that_dies_is_answered_by_the_next(
    serve_here: Callable[..., Server], tmp_path: Path
) -> None:
    (tmp_path / "routes.yaml").write_text("routes: [{path: /, response: hi}]")
    server = serve_here()
    stopped, _ = server.workers()
    pause(stopped)
    try:
        with connected(server.port, 16) as clients:
            for client in clients:
                client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            time.sleep(0.1)  # some are answered by the other worker meanwhile, whether or not this is long enough
            os.kill(stopped, signal.SIGKILL)
            for client in clients:
                assert client.recv(65536).startswith(b"HTTP/1.1 200")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(stopped, signal.SIGKILL)
    assert 0 == server.stop()


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("fe80::1", "fe80::1 is a link-local address, which requires the name of an interface: -H fe80::1%eth0"),
        ("fe80::1%nope", 'the host "fe80::1%nope" is not an address of this machine; try -H 127.0.0.1'),
        ("2001:db8::5", "cannot listen on [2001:db8::5]:0: Cannot assign requested address"),
    ],
)
def test_an_address_of_ipv6_that_cannot_be_had_is_said(host: str, said: str) -> None:
    with pytest.raises(ServeError, match=f"^{re.escape(said)}$"):
        listen_on(host, 0, 1)
