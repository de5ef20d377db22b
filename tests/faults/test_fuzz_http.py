"""Fuzzing HTTP: mutated requests are answered or their connection is closed in time, and the service stays as it is."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fuzzing import fuzz, fuzz_for, kept, mutated
from hypothesis import strategies as st
from serving import Server
from test_fuzz import BODIES, HEADERS, METHODS, ODD_PATHS, PATHS, make_service

# 501 is for transfer codings that the server does not know, 503 for too much at once.
MAY_FAIL = {b"501", b"503"}
STATUS = re.compile(rb"HTTP/1\.1 (\d\d\d) ")
QUIET_SECONDS = 0.02
CLOSED_SECONDS = 10.0
HEALTHY_EVERY = 50
WARM_UP = 1000  # inputs
GROWTH_MIB = 24
PIECES = [
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b" ",
        b"\t",
        b":",
        b"\x00",
        b"\xff",
        b"%00",
        b"%",
        b"?",
        b"#",
        b"//",
        b"..",
        b";",
    ),
    *(b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"PRI * HTTP/2.0", b"http://x/", b"Host: x\r\n", b"Content-Length: 3\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n", b"TE: trailers\r\n", b"Trailer: A\r\n"),
    *(b"Content-Encoding: gzip\r\n", b"Expect: 100-continue\r\n", b"Connection: close\r\n", b"Upgrade: h2c\r\n"),
    *(b"0\r\n\r\n", b"5\r\n12345\r\n", b"ffffffffffffffff\r\n", b"-1", b"5;a=b\r\n", b"X" * 9000, b"9" * 40),
]


def request(method: bytes, path: bytes, headers: list[bytes], body: bytes, framing: int) -> bytes:
    """A request whose body has a length, or is in chunks of so many bytes."""
    lines = [method + b" " + path + b" HTTP/1.1", b"Host: x", *headers]
    if framing:
        chunks = [body[start : start + framing] for start in range(0, len(body), framing)]
        lines.append(b"Transfer-Encoding: chunked")
        body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in [*chunks, b""])
    elif body:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, b"", body])


SOUND = [
    request(b"GET", b"/", [], b"", 0),
    request(b"GET", b"/forest?x=1&y=%20", [b"Accept: text/html"], b"", 0),
    request(b"POST", b"/forest", [b"Content-Type: application/json"], b"[1,2,3,4]", 0),
    request(b"POST", b"/feedback", [b"Expect: 100-continue"], b'{"stars": 3}', 0),
    request(b"POST", b"/forest", [], b'{"instances": [[1,2,3,4],[5,6,7,8]]}', 5),
    request(b"OPTIONS", b"*", [], b"", 0) + request(b"HEAD", b"/hello/x", [b"Connection: close"], b"", 0),
    request(b"GET", b"http://x/number/7", [b"If-None-Match: *", b"Range: bytes=0-1"], b"", 0),
]
MADE = st.builds(
    request,
    st.sampled_from([*METHODS, b"TRACE", b"CONNECT"]),
    st.sampled_from([*PATHS, *ODD_PATHS, b"/openapi.json", b"/docs/", b"/metrics"]),
    st.lists(st.sampled_from(HEADERS), max_size=4),
    st.sampled_from(BODIES),
    st.sampled_from([0, 0, 1, 7, 4096]),
)
INPUTS = mutated([*SOUND, *kept("http").values()], PIECES) | st.lists(MADE, min_size=1, max_size=3).map(b"".join)


class Http:
    """A service that is sent one input after another, each on a connection of its own."""

    target = "http"

    def __init__(self, server: Server) -> None:
        self.server = server
        self.statuses: Counter[bytes] = Counter()
        self.sent = 0
        self._pids = server.workers()

    def __call__(self, data: bytes) -> None:
        answer = self._exchange(data)
        statuses = STATUS.findall(answer)
        self.statuses.update(statuses or [b"closed"])
        failed = [status for status in statuses if status.startswith(b"5") and status not in MAY_FAIL]
        assert not failed, answer
        self.sent += 1
        if self.sent % HEALTHY_EVERY == 0:
            self.hold()

    def hold(self) -> None:
        """Nothing has happened to the service."""
        healthy = self.server.request("POST", "/forest", body="[5.9, 3.0, 5.1, 1.8]")
        assert (200, b'{"result":[2]}\n') == healthy[::2]
        assert self._pids == self.server.workers()
        wrong = [line for line in self.server.lines if re.search("Traceback|ERROR|panick", line)]
        assert not wrong, wrong

    def _exchange(self, data: bytes) -> bytes:
        """Send, read until the server is quiet, send nothing more; the server must close the connection then."""
        answer = b""
        connection = socket.create_connection(("127.0.0.1", self.server.port), timeout=CLOSED_SECONDS)
        with connection, contextlib.suppress(OSError):
            connection.sendall(data)
            answer += self._read(connection, QUIET_SECONDS)
            connection.shutdown(socket.SHUT_WR)
            begin = time.monotonic()
            answer += self._read(connection, CLOSED_SECONDS)
            assert time.monotonic() - begin < CLOSED_SECONDS, f"not closed after {answer[:200]!r}"
        return answer

    @staticmethod
    def _read(connection: socket.socket, seconds: float) -> bytes:
        connection.settimeout(seconds)
        answer = b""
        with contextlib.suppress(TimeoutError):
            while piece := connection.recv(65536):
                answer += piece
        return answer


@pytest.fixture
def http(tmp_path: Path, serve_here: Callable[..., Server]) -> Iterator[Http]:
    make_service(tmp_path)
    target = Http(serve_here())
    yield target
    target.hold()


def test_kept_and_some_mutated_requests(http: Http) -> None:
    for data in [*SOUND, *kept("http").values()]:
        http(data)
    fuzz(http, INPUTS, 100)
    assert {b"200", b"400", b"404"} <= {*http.statuses}


@pytest.mark.soak
def test_mutated_requests_for_a_long_time(http: Http) -> None:
    fuzz(http, INPUTS, WARM_UP)
    before = http.server.memory()
    fuzz_for(http, INPUTS)
    print(http.sent, http.statuses.most_common())  # noqa: T201
    assert http.server.memory() - before < GROWTH_MIB
