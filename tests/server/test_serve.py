"""`serve` in a process of its own, over real sockets."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT
from serving import Server, command, serving

INSTANCE = {"sepal_length": 5.9, "sepal_width": 3.0, "petal_length": 5.1, "petal_width": 1.8}


@pytest.fixture(scope="module")
def server(iris_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Server:
    folder = tmp_path_factory.mktemp("service")
    for name in ("routes.yaml", "models.yaml"):
        shutil.copy(ROOT / name, folder)
    (folder / "build").mkdir()
    shutil.copytree(iris_file.parent, folder / "build", dirs_exist_ok=True)
    with serving(folder, "-w", "2") as running:
        yield running


def test_the_tutorials_answers_come_over_the_wire(server: Server) -> None:
    status, headers, body = server.request("GET", "/")
    assert (200, "text/html; charset=utf-8", b"<p>Hello, World!</p>") == (status, headers["content-type"], body)
    assert (200, b"<p>Hello shkim!</p>") == server.request("GET", "/shkim")[::2]
    assert (200, b'{"hello":"world"}\n') == server.request("PUT", "/hello")[::2]
    status, headers, _ = server.request("GET", "/hello")
    assert (405, "OPTIONS, POST, PUT") == (status, headers["allow"])
    assert (200, b'{"result":[2]}\n') == server.request("POST", "/predict", body=json.dumps(INSTANCE))[::2]


def test_a_head_request_gets_headers_alone(server: Server) -> None:
    status, headers, body = server.request("HEAD", "/")
    assert (200, "20", b"") == (status, headers["content-length"], body)


@pytest.mark.parametrize("megabytes", [2, 10, 40])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_client_reads_its_413(server: Server, megabytes: int, chunked: bool) -> None:
    """Also a client that sends all of its body before it reads; past a bound the connection is closed."""
    block = b"x" * 65_536
    blocks = megabytes * 16

    def body() -> object:
        for _ in range(blocks):
            yield block

    headers = {} if chunked else {"Content-Length": str(len(block) * blocks)}
    connection = server.connect()
    try:
        connection.request("POST", "/predict", body=body(), headers=headers, encode_chunked=chunked)
    except (BrokenPipeError, ConnectionResetError):
        assert megabytes == 40
    answer = connection.getresponse()
    problem = json.loads(answer.read())
    connection.close()
    assert (413, 413, "Content Too Large") == (answer.status, problem["status"], problem["title"])
    assert "the body is larger than 1,048,576 bytes" == problem["detail"]


@pytest.mark.parametrize(
    ("method", "path", "status"), [("POST", "/hello", 200), ("POST", "/nowhere", 404), ("PUT", "/", 405)]
)
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_nobody_wants_leaves_the_connection_alive(
    server: Server, method: str, path: str, status: int, chunked: bool
) -> None:
    connection = server.connect()
    for _ in range(20):
        body = iter([b"x" * 200_000] * 2) if chunked else b"x" * 400_000
        connection.request(method, path, body=body, encode_chunked=chunked)
        answer = connection.getresponse()
        answer.read()
        assert status == answer.status
    connection.close()


def test_a_body_over_the_limit_is_told_on_every_path(server: Server) -> None:
    for method, path in (("POST", "/hello"), ("POST", "/nowhere"), ("PUT", "/"), ("OPTIONS", "/")):
        status, _, body = server.request(method, path, body=b"x" * 2_000_000)
        assert (413, "the body is larger than 1,048,576 bytes") == (status, json.loads(body)["detail"])


def test_a_body_that_ends_early_is_no_failure_of_ours(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        client.shutdown(socket.SHUT_WR)
        client.recv(1000)
    assert 200 == server.request("GET", "/")[0]
    assert not [line for line in server.lines if "Traceback" in line]


def test_an_answer_is_the_same_in_process_and_over_the_wire(server: Server) -> None:
    body = '{"sepal_length": "wide", "petal_lenght": 1}'
    over_the_wire = json.loads(server.request("POST", "/predict", body=body)[2])
    called = subprocess.run(
        command("call", "POST", "/predict", "-d", body),
        capture_output=True,
        text=True,
        check=False,
        cwd=server.folder,
    )
    assert (1, over_the_wire) == (called.returncode, json.loads(called.stdout))


def test_a_taken_port_is_said_clearly(server: Server, spec_folder: Path) -> None:
    """Before the spec is checked, so that nothing is compiled and no new model is pinned for nothing."""
    (spec_folder / "routes.yaml").write_text("routes: [{path: /, response: hi}]")
    done = subprocess.run(
        command("serve", "-p", str(server.port)), capture_output=True, text=True, check=False, timeout=60
    )
    in_use = f"error: port {server.port} on 127.0.0.1 is already in use; "
    expected = f"{in_use}choose another with -p, or -p 0 for a free one\n"
    assert (1, "", expected) == (done.returncode, done.stdout, done.stderr)


def test_a_spec_with_mistakes_is_not_served(spec_folder: Path) -> None:
    (spec_folder / "routes.yaml").write_text("routes: [{path: x, response: hi}]")
    done = subprocess.run(command("serve", "-p", "0"), capture_output=True, text=True, check=False, timeout=60)
    assert (1, "") == (done.returncode, done.stdout)
    assert 'routes.yaml:1:17: error: path "x": a path must begin with "/"' == done.stderr.splitlines()[1]


@pytest.mark.parametrize(("signum", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_stops_it_cleanly(signum: int, status: int, spec_folder: Path) -> None:
    (spec_folder / "routes.yaml").write_text("routes: [{path: /, response: hi}]")
    with serving(spec_folder, "-w", "1") as server:
        assert 200 == server.request("GET", "/")[0]
        assert status == server.stop(signum)
    assert not [line for line in server.lines if "Traceback" in line]


def test_a_name_is_an_address_too(spec_folder: Path) -> None:
    (spec_folder / "routes.yaml").write_text("routes:\n  - {path: /, response: Hello}\n")
    with serving(spec_folder, "-H", "localhost", "-w", "1") as running:
        assert (200, b"Hello") == running.request("GET", "/")[::2]
        assert "serving on http://localhost:" in running.lines[-1]


def test_a_body_that_ends_early_is_no_whole_one(server: Server) -> None:
    body = json.dumps(INSTANCE).encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n" + body)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"the body ended before its declared length" in answer


PARTS = b'5\r\n{"sta\r\n7\r\nrs": 4}\r\n'
POST = b"POST /feedback HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n" + PARTS


@pytest.mark.parametrize(
    ("sent", "status", "detail"),
    [
        (CHUNKED + b"0\r\n\r\n", 201, ""),
        (CHUNKED, 400, "the chunked body is malformed, cut short, or has trailers, which are not supported"),
        (CHUNKED + b"xyz\r\n", 400, "the chunked body is malformed"),
        (CHUNKED + b"9\r\nshort\r\n0\r\n\r\n", 400, "the chunked body is malformed"),
        (CHUNKED + b"0\r\nX-Trailer: a\r\n\r\n", 400, "the chunked body is malformed"),
        (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + PARTS + b"0\r\n\r\n", 501, "the transfer coding"),
        (POST + b'Content-Encoding: br\r\nContent-Length: 12\r\n\r\n{"stars": 4}', 415, "the content coding"),
        (POST + b'Content-Encoding: identity\r\nContent-Length: 12\r\n\r\n{"stars": 4}', 201, ""),
        (POST + b'TE: gzip\r\nContent-Length: 12\r\n\r\n{"stars": 4}', 201, ""),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", 400, "the Host header is missing"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\nConnection: close\r\n\r\n", 400, "there is more than one Host"),
        (b"GET / HTTP/1.0\r\n\r\n", 200, ""),
    ],
)
def test_http_is_taken_as_it_is_defined(server: Server, sent: bytes, status: int, detail: str) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(sent)
        if sent == CHUNKED:
            connection.shutdown(socket.SHUT_WR)
        head, _, body = b"".join(iter(lambda: connection.recv(65_536), b"")).partition(b"\r\n\r\n")
    assert f" {status} ".encode() in head.partition(b"\r\n")[0]
    assert not detail or json.loads(body)["detail"].startswith(detail)


@pytest.mark.parametrize(("more", "status"), [(0, 200), (1, 431)])
def test_the_limit_of_headers_is_exact(server: Server, more: int, status: int) -> None:
    lines = b"host: x\r\nconnection: close\r\nx-a: \r\n"
    value = b"a" * (64 * 1024 - len(lines) + more)
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n" + lines[:-2] + value + b"\r\n\r\n")
        assert connection.recv(65_536).startswith(f"HTTP/1.1 {status} ".encode())


@pytest.mark.parametrize("start", [b"PUT /predict", b"POST /nowhere", b"POST /feedback"])
@pytest.mark.parametrize("expect", [b"", b"Expect: 100-continue\r\n"])
def test_a_connection_ends_with_a_body_that_nobody_takes(server: Server, start: bytes, expect: bytes) -> None:
    """Also where the client has sent what it has, and waits for the end (half-closed)."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(start + b" HTTP/1.1\r\nHost: x\r\n" + expect + b"Content-Length: 1000000000000\r\n\r\n{}")
        if not expect:
            connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_client_that_asks_first_is_told_its_413_at_once(server: Server) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(head)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("body", [b"", b"{}"])
def test_a_client_that_was_not_asked_for_its_body_is_not_left_waiting(server: Server, body: bytes) -> None:
    """Where its body came along, its next request is answered; else nothing tells the two apart, and it is cut off."""
    path = b"/" + b"a" * 9000
    head = b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(head + body)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 414 ")
        if body:
            connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = connection.recv(65_536)
    assert (b"HTTP/1.1 200" if body else b"") == answer[:12]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.mark.exhaustive
def test_port_and_workers_may_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first line says so; HOST, which shells export for other reasons, is not read."""
    (tmp_path / "routes.yaml").write_text("routes: [{path: /, response: hi}]")
    port = free_port()
    for name, value in (("PORT", str(port)), ("WEB_CONCURRENCY", "3"), ("HOST", "no such host")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("serving.command", lambda name, _option, _port, *words: command(name, *words))
    with serving(tmp_path) as server:
        expected = (
            f"serving on http://127.0.0.1:{port} (port from PORT, 3 workers from WEB_CONCURRENCY, press ^C to stop)"
        )
        assert expected in [line.strip() for line in server.lines]
        assert 3 == len(server.status()["workers"])
    with serving(tmp_path, "-p", str(free_port()), "-w", "1") as server:
        assert 1 == len(server.status()["workers"])
        assert any(line.endswith(" (press ^C to stop)\n") for line in server.lines)


@pytest.mark.exhaustive
def test_the_port_of_vertex_comes_before_port_and_after_the_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "routes.yaml").write_text("routes: [{path: /, response: hi}]")
    port = free_port()
    for name, value in (("PORT", "1"), ("AIP_HTTP_PORT", str(port))):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("serving.command", lambda name, _option, _port, *words: command(name, *words))
    with serving(tmp_path, "-w", "1") as server:
        said = f"serving on http://127.0.0.1:{port} (port from AIP_HTTP_PORT, press ^C to stop)"
        assert said in [line.strip() for line in server.lines]
    with serving(tmp_path, "-p", str(other := free_port()), "-w", "1") as server:
        assert f"serving on http://127.0.0.1:{other} (press ^C to stop)" in [line.strip() for line in server.lines]


@pytest.mark.parametrize(
    ("name", "value", "bounds"),
    [
        ("AIP_HTTP_PORT", "-1", "0 to 65535"),
        ("PORT", "http", "0 to 65535"),
        ("PORT", "99999", "0 to 65535"),
        ("WEB_CONCURRENCY", "0", "1 to 256"),
    ],
)
def test_a_value_of_the_environment_that_is_no_number_is_an_error(
    tmp_path: Path, name: str, value: str, bounds: str
) -> None:
    (tmp_path / "routes.yaml").write_text("routes: [{path: /, response: hi}]")
    environment = {**os.environ, name: value}
    done = subprocess.run(
        command("serve"), cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    said = f'Error: the environment variable {name} is "{value}"; it must be a whole number from {bounds}\n'
    assert (2, True) == (done.returncode, done.stderr.endswith(said)), done.stderr
