"""Clients that send nothing, dribble, or do not read: healthy ones go on, and all of the others are gone in time.

Hostile and healthy clients have different addresses.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import pytest
from serving import Server

from engine.server.http.large_bodies import LARGE

# It measures seconds or memory that others would take from it.
pytestmark = pytest.mark.alone

# The file that is not read is far larger than what the kernel keeps of a connection.
LARGE_BYTES = 16 * 1024 * 1024
SPEC = """service:
  limits: {body_time: 8s}
routes:
  - {path: /, response: hello}
  - {path: /echo, input: {type: object}, response: {json: {ok: true}}}
  - {path: /file, response: {file: large.bin}}
"""
BEGUN = {
    "silent": b"",
    "idle": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "headers": b"GET / HTTP/1.1\r\nHost: x\r\nX-A: ",
    "body": b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n{",
    "chunks": b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n",
    "not reading": b"GET /file HTTP/1.1\r\nHost: x\r\n\r\n",
}
DRIBBLES = ("headers", "body", "chunks")
FACTOR, FLOOR_SECONDS = 3.0, 0.060
ASKED = 400
SETTLED_SECONDS = 2.0
# Granian gives a connection 30 seconds for its next request, and the watch looks every second.
GONE_SECONDS = 30.0 + 6.0
MOST_MIB = 64.0


@pytest.fixture
def serve(tmp_path: Path, serve_here: Callable[..., Server]) -> Callable[..., Server]:
    (tmp_path / "routes.yaml").write_text(SPEC)
    (tmp_path / "large.bin").write_bytes(random.Random(1).randbytes(LARGE_BYTES))
    assert LARGE_BYTES > LARGE
    return serve_here


class Crowd:
    """Hostile clients, from many addresses of 127.0.0.0/8."""

    def __init__(self, server: Server) -> None:
        self._port = server.port
        self._clients: list[tuple[str, socket.socket]] = []
        self._stop = threading.Event()
        self._dribbler = threading.Thread(target=self._dribble)

    def __enter__(self) -> Self:
        self._dribbler.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._dribbler.join()
        for _, client in self._clients:
            client.close()

    def join(self, kind: str, count: int) -> None:
        for number in range(count):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.bind((f"127.0.{1 + number % 50}.1", 0))
            client.settimeout(30)
            with contextlib.suppress(OSError):
                client.connect(("127.0.0.1", self._port))
                client.sendall(BEGUN[kind])
            client.setblocking(False)
            self._clients.append((kind, client))

    def _dribble(self) -> None:
        while not self._stop.wait(2):
            for kind, client in list(self._clients):
                if kind in DRIBBLES:
                    with contextlib.suppress(OSError):
                        client.send(b"x")


def established(server: Server) -> int:
    """Connections of hostile clients that the service still has, as the kernel counts them."""
    local, state = f":{server.port:04X}", {"01", "08"}  # ESTABLISHED, CLOSE_WAIT
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    mine = (row for row in rows if row[1].endswith(local) and row[3] in state)
    return sum(1 for row in mine if row[2][2:4] != "00")  # little-endian: 127.0.N.1, N above 0


def percentile_99(server: Server) -> float:
    """What a healthy client sees that connects anew for each request; health checks are among them."""
    taken = []
    for number in range(ASKED):
        begin = time.monotonic()
        with contextlib.closing(server.connect()) as connection:
            if number % 3:
                connection.request("GET", ("/", "/livez")[number % 2])
            else:
                connection.request("POST", "/echo", body=b'{"a": 1}')
            answer = connection.getresponse()
            answer.read()
        assert 200 == answer.status
        taken.append(time.monotonic() - begin)
    return sorted(taken)[int(len(taken) * 0.99)]


@contextlib.contextmanager
def asking_for_health(server: Server) -> Iterator[list[str]]:
    """Ask for health all the while; give what went wrong."""
    wrong: list[str] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.wait(0.2):
            try:
                status = server.request("GET", "/livez")[0]
            except (OSError, http.client.HTTPException) as error:
                wrong.append(repr(error))
            else:
                if status != 200:
                    wrong.append(str(status))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield wrong
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def many_files() -> Iterator[int]:
    """Let this process have many sockets; give how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = min(hard, 8192) if hard != resource.RLIM_INFINITY else 8192
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    yield most - 1024
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def withstand(server: Server, counts: dict[str, int]) -> None:
    """Hold the promise against so many clients of each kind."""
    alone, before = percentile_99(server), server.memory()
    begin = time.monotonic()
    with Crowd(server) as crowd, asking_for_health(server) as wrong:
        for kind, count in counts.items():
            crowd.join(kind, count)
        settled = time.monotonic() + SETTLED_SECONDS
        time.sleep(max(0.0, settled - time.monotonic()))
        among_them = percentile_99(server)
        most = server.memory()
        while (left := established(server)) and time.monotonic() - begin < 4 * GONE_SECONDS:
            most = max(most, server.memory())
            if time.monotonic() - settled > GONE_SECONDS:
                break
            time.sleep(0.5)
    assert 0 == left, f"{left} are still there"
    assert not wrong
    assert among_them <= max(FACTOR * alone, FLOOR_SECONDS), f"p99 {among_them:.4f} s, without them {alone:.4f} s"
    assert most - before < MOST_MIB, f"{before:.0f} MiB before, {most:.0f} MiB at most"
    closed = server.request("GET", "/metrics")[2].decode()
    assert 'engine_connections_closed_total{reason="not_reading"} 0.0' not in closed
    assert any("were idle when others needed their place" in line for line in server.lines)
    assert any("limits.response_rate" in line for line in server.lines)


def test_a_crowd_of_every_kind(serve: Callable[..., Server], many_files: int) -> None:
    """More than one worker has places for, all at the same time."""
    count = min(350, many_files // len(BEGUN))
    withstand(serve("-w", "1"), dict.fromkeys(BEGUN, count))


@pytest.mark.soak
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("kind", BEGUN)
def test_5000_of_a_kind(serve: Callable[..., Server], many_files: int, kind: str, workers: int) -> None:
    server = serve("-w", str(workers))
    alone, before = percentile_99(server), server.memory()
    with Crowd(server) as crowd, asking_for_health(server) as wrong:
        crowd.join(kind, min(5000, many_files))
        time.sleep(SETTLED_SECONDS)
        among_them, most = percentile_99(server), server.memory()
        deadline = time.monotonic() + GONE_SECONDS
        while (left := established(server)) and time.monotonic() < deadline:
            most = max(most, server.memory())
            time.sleep(0.5)
    assert 0 == left, f"{left} are still there"
    assert not wrong
    assert among_them <= max(FACTOR * alone, FLOOR_SECONDS), f"p99 {among_them:.4f} s, without them {alone:.4f} s"
    assert most - before < MOST_MIB, f"{before:.0f} MiB before, {most:.0f} MiB at most"


def test_without_descriptors_a_worker_waits_and_says_so(serve: Callable[..., Server], many_files: int) -> None:
    """Its limit falls below what it has at its start, as if somebody's code had opened that many files."""
    assert many_files > 0
    server = serve("-w", "1")
    with Crowd(server) as crowd:
        crowd.join("silent", 40)
        leave_no_descriptor(server)
        crowd.join("silent", 100)
        time.sleep(SETTLED_SECONDS)
        percentile_99(server)
    assert 200 == server.request("GET", "/livez")[0]
    assert any("no file descriptor is free" in line for line in server.lines)


def test_without_any_descriptor_a_worker_burns_no_core(serve: Callable[..., Server]) -> None:
    """Those who wait are accepted one by one, as the ones before them have done nothing for a while."""
    server = serve("-w", "1")
    (worker,) = server.workers()
    free = leave_no_descriptor(server)
    with contextlib.ExitStack() as stack:
        for _ in range(free + 5):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
        deadline = time.monotonic() + 30
        while not any("no file descriptor is free" in line for line in server.lines):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        used = 1.0
        while used > 0.1:
            assert time.monotonic() < deadline, f"{used} of a core"
            before = cpu_seconds(worker)
            time.sleep(1)
            used = cpu_seconds(worker) - before
    _, hard = resource.prlimit(worker, resource.RLIMIT_NOFILE)
    resource.prlimit(worker, resource.RLIMIT_NOFILE, (min(1024, hard), hard))
    deadline = time.monotonic() + 30
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):
            assert 200 == server.request("GET", "/livez")[0]
            break
        assert time.monotonic() < deadline


def leave_no_descriptor(server: Server) -> int:
    """Limit a worker that answers to the descriptors that it has; return how many below the highest are free."""
    assert 200 == server.request("GET", "/livez")[0]
    (pid,) = server.workers()
    descriptors = {int(file.name) for file in Path(f"/proc/{pid}/fd").iterdir()}
    most = 1 + max(descriptors)
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, hard))
    return most - len(descriptors)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
