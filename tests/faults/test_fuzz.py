"""Tens of thousands of broken requests: no answer blames the server, no worker dies, and memory stays where it is."""

from __future__ import annotations

import json
import random
import re
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import joblib
import pytest
from serving import Server
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.svm import SVC

CLIENTS = 4
AT_ONCE = 50
WARM_UP_SHARE = 0.2
GROWTH_MIB = 24
DEAR_SHARE = 0.005  # of the requests: bodies and URLs that would take long, were there no bounds
SPEC = """routes:
  - path: /
    response: hello
  - path: /hello/<name>
    response: {html: "<p>${path.name}</p>"}
  - path: /number/<int:n>
    response: {json: {n: "${path.n}"}}
  - path: /feedback
    input: {type: object, required: [stars], properties: {stars: {type: integer, minimum: 1, maximum: 5}}}
    response: {status: 201, json: {thanks: true}}
  - path: /tree
    input: {type: array, anyOf: [{items: {$ref: "#"}}, {items: {$ref: "#"}, minItems: 1}]}
    response: ok
  - path: /order
    input:
      type: object
      additionalProperties: false
      properties:
        items:
          type: array
          uniqueItems: true
          items: {type: object, required: [NAMES], properties: {price: {multipleOf: 0.01}}}
        kinds: {type: array, items: {enum: [CHOICES]}}
    response: ok
  - path: /pages/<path:page>/edit
    response: ok
  - path: /forest
    model: forest
  - path: /machine
    model: machine
"""
MODELS = """models:
  forest: {file: forest.pkl, input: &four {type: array, items: {type: number}, minItems: 4, maxItems: 4}}
  machine: {file: machine.pkl, runtime: sklearn, input: *four}
"""
CHOICES = [f"choice_number_{number:03}" for number in range(200)]
SPEC = SPEC.replace("NAMES", ", ".join(f"name_{number}" for number in range(30))).replace("CHOICES", ", ".join(CHOICES))
METHODS = (b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"DELETE", b"PATCH", b"BREW", b"get", b"")
PATHS = (b"/", b"/hello/x", b"/number/7", b"/feedback", b"/forest", b"/machine", b"/livez", b"/-/status", b"//", b"*")
ODD_PATHS = (b"/hello/%00", b"/hello/%ff", b"/number/" + b"9" * 400, b"/%2e%2e/etc", b"/hello/" + b"a" * 9000, b"/\xff")
BODIES = (
    *(b"", b"{}", b"[]", b"null", b"[1,2,3,4]", b"[1e308,1,1,1]", b"[1e39,-1e39,0,0]", b'{"stars": 3}', b"[" * 2000),
    *(b'{"instances": [[1,2,3,4],[5,6,7,8]]}', b'{"instances": []}', b'{"instances": 7}', b"NaN", b"[NaN,1,2,3]"),
    *(b'{"stars": 1e400}', b'{"stars": ' + b"9" * 5000 + b"}", b'"\\ud800"', b"\xff\xfe", b"[true,1,2,3]", b"{" * 50),
)
DEAR_PATHS = (b"/tree", b"/order", b"/forest", b"/pages/" + b"a/edit/" * 1000 + b"x")
DEAR_BODIES = (
    b"[" * 20 + b"1" + b"]" * 20,
    b"[" * 900 + b"]" * 900,
    b"[" + b",".join([b"[" * 15 + b"1" + b"]" * 15] * 1000) + b"]",
    b'{"instances": [' + b",".join([b"{}"] * 9000) + b"]}",
    b'{"items": [' + b",".join([b"{}"] * 15_000) + b"]}",
    b'{"items": [' + b",".join([b'{"price": 1e300}'] * 2000) + b"]}",
    json.dumps({"kinds": [choice.replace("number", "numbre") for choice in CHOICES] * 10}).encode(),
    json.dumps(dict.fromkeys(CHOICES, 1)).encode(),
    b'{"items": "' + b"9" * 300_000 + b'"}',
)
HEADERS = (
    *(b"Content-Type: application/json", b"Content-Type: \xff", b"Accept: text/html", b"Accept: ;;q=9", b"Host: a..b"),
    *(b"Host: x", b"If-None-Match: *", b"Expect: 100-continue", b"Connection: close", b"X-Forwarded-For: 1.2.3.4"),
    *(
        b"Cookie: " + b"c" * 500,
        b"Range: bytes=5-1",
        b"Origin: null",
        b"Authorization: Basic !!",
        b"A: \x01",
        b"no colon",
    ),
)


def requests(chance: random.Random) -> Iterator[bytes]:
    """Requests that are wrong in one way or several; now and then the bytes themselves are mutated."""
    while True:
        method, body = chance.choice(METHODS), chance.choice(BODIES)
        path = chance.choice(ODD_PATHS if chance.random() < 0.1 else PATHS)
        if chance.random() < DEAR_SHARE:
            method, path, body = b"POST", chance.choice(DEAR_PATHS), chance.choice(DEAR_BODIES)
        length = chance.choice((len(body), len(body), len(body), len(body) + 1, 0, -1, 10**12))
        lines = [method + b" " + path + b" HTTP/1.1", *chance.sample(HEADERS, chance.randrange(4))]
        if chance.random() < 0.9:
            lines.append(b"Content-Length: %d" % length)
        else:
            lines.append(b"Transfer-Encoding: chunked")
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        whole = bytearray(b"\r\n".join([*lines, b"Host: y", b"", body]))
        for _ in range(chance.choice((0, 0, 0, 1, 3))):
            whole[chance.randrange(len(whole))] = chance.randrange(256)
        yield bytes(whole)


def make_service(folder: Path) -> None:
    """Write the spec of a service that has something of everything, and its models."""
    rows, kinds = load_iris(return_X_y=True)
    joblib.dump(RandomForestClassifier(20, random_state=0).fit(rows, kinds), folder / "forest.pkl")
    joblib.dump(SVC().fit(rows, kinds), folder / "machine.pkl")
    (folder / "routes.yaml").write_text(SPEC)
    (folder / "models.yaml").write_text(MODELS)


@pytest.fixture
def server(tmp_path: Path, serve_here: Callable[..., Server]) -> Server:
    make_service(tmp_path)
    return serve_here()


@pytest.mark.parametrize("count", [8_000, pytest.param(200_000, marks=pytest.mark.soak)])
def test_broken_requests(server: Server, count: int) -> None:
    seen: Counter[bytes] = Counter()
    sent = 0
    lock = threading.Lock()

    def attack(seed: int, left: int) -> None:
        """Send some at once on each connection, and read what comes back until the server closes or falls silent."""
        nonlocal sent
        source = requests(random.Random(seed))
        while left > 0:
            some = [next(source) for _ in range(min(AT_ONCE, left))]
            left -= len(some)
            statuses: Counter[bytes] = Counter()
            while some:
                with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
                    answer = exchange(connection, some)
                found = re.findall(rb"HTTP/1\.1 (\d\d\d) ", answer)
                statuses.update(found)
                del some[: max(1, len(found))]  # the connection ended at the first that was beyond repair
            with lock:
                seen.update(statuses)
                sent += AT_ONCE

    def round_of(share: float, seed: int) -> None:
        each = int(count * share / CLIENTS)
        threads = [threading.Thread(target=attack, args=[seed + number, each]) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    pids = server.workers()
    round_of(WARM_UP_SHARE, 0)
    before = server.memory()
    round_of(1 - WARM_UP_SHARE, 1000)
    assert sent >= count
    assert seen.total() > count / 2
    # 501 is for a mutated name of a transfer coding (RFC 9112, section 6.1)
    assert not [status for status in seen if status.startswith(b"5") and status != b"501"], seen
    assert {b"200", b"201", b"400", b"404", b"405", b"413", b"422"} <= {*seen}
    assert pids == server.workers()
    assert server.memory() - before < GROWTH_MIB
    assert not [line for line in server.lines if "Traceback" in line or "ERROR" in line]
    assert (200, b'{"result":[2]}\n') == server.request("POST", "/forest", body=json.dumps([5.9, 3.0, 5.1, 1.8]))[::2]


def exchange(connection: socket.socket, some: list[bytes]) -> bytes:
    """Send requests, say that there will be no more, and read every answer."""
    answer = b""
    try:
        connection.sendall(b"".join(some))
        connection.shutdown(socket.SHUT_WR)
        while data := connection.recv(65_536):
            answer += data
    except TimeoutError:
        raise
    except OSError:  # the server has had enough, and closed
        pass
    return answer
