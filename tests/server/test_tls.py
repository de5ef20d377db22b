"""HTTPS by the service itself, a certificate that is renewed while clients ask, and the admin address."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from certificates import Pair, make_pair
from serving import Server, command, serving

from engine.commands import cli
from engine.errors import ServeError
from engine.server.listening.listener import ADMIN_ADVICE, listen_on

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
ROUTES = "routes: [{path: /, response: {text: hello}}, {path: /about/, response: about}]"


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[Pair]:
    folder = tmp_path_factory.mktemp("pairs")
    return [make_pair(folder, name) for name in ("first", "second", "third")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, pairs: list[Pair]) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("tls")
    (folder / "routes.yaml").write_text(ROUTES)
    install(folder, pairs[0])
    options = ["--tls-cert", "cert.pem", "--tls-key", "key.pem", "--admin", "127.0.0.1:0", "--log-requests"]
    with serving(folder, "-w", "2", *options) as server:
        yield server


def install(folder: Path, pair: Pair) -> None:
    shutil.copy(pair.chain, folder / "cert.pem")
    shutil.copy(pair.key, folder / "key.pem")


def admin_port(server: Server) -> int:
    found = re.search(r"metrics and status at http://127\.0\.0\.1:(\d+)", "".join(server.lines))
    return int(found[1])


def ask(port: int, path: str, tls: ssl.SSLContext | None = None) -> tuple[int, bytes]:
    secure = http.client.HTTPSConnection("localhost", port, timeout=20, context=tls) if tls else None
    with contextlib.closing(secure or http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()


def trusting(*pairs: Pair) -> ssl.SSLContext:
    context = ssl.create_default_context()
    for pair in pairs:
        context.load_verify_locations(pair.chain)
    return context


def shown(server: Server) -> str:
    """The certificate that a new connection gets."""
    return ssl.get_server_certificate(("127.0.0.1", server.port))


def status(server: Server) -> dict[str, object]:
    return json.loads(ask(admin_port(server), "/-/status")[1])


def wait_until(holds: Callable[[], bool], server: Server) -> None:
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline, "".join(server.lines)
        time.sleep(0.05)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_clients_that_trust_the_certificate_are_answered(
    server: Server, pairs: list[Pair], version: ssl.TLSVersion
) -> None:
    context = trusting(pairs[0])
    context.minimum_version = context.maximum_version = version
    assert (200, b"hello") == ask(server.port, "/", context)
    assert 404 == ask(server.port, "/nothing", context)[0]


def test_older_versions_of_tls_and_plain_http_are_refused(server: Server, pairs: list[Pair]) -> None:
    context = trusting(pairs[0])
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        ask(server.port, "/", context)
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        ask(server.port, "/")
    assert (200, b"hello") == ask(server.port, "/", trusting(pairs[0]))


def test_the_start_says_for_whom_the_certificate_is(server: Server) -> None:
    said = "".join(server.lines)
    assert "certificate for localhost, 127.0.0.1, valid until 20" in said
    assert f"serving on https://127.0.0.1:{server.port} " in said


def test_the_start_lists_only_the_routes_that_clients_reach(server: Server) -> None:
    said = "".join(server.lines)
    assert [True, True, False, False] == [f"built in: {name}" in said for name in ("docs", "live", "metrics", "status")]


def test_metrics_and_status_answer_at_the_admin_address_alone_and_health_at_both(
    server: Server, pairs: list[Pair]
) -> None:
    admin, context = admin_port(server), trusting(pairs[0])
    paths = ["/", "/metrics", "/-/status", "/livez", "/readyz", "/docs", "/openapi.json"]
    assert [200, 404, 404, 200, 200, 200, 200] == [ask(server.port, path, context)[0] for path in paths]
    assert [404, 200, 200, 200, 200, 404, 404] == [ask(admin, path)[0] for path in paths]
    document = json.loads(ask(server.port, "/openapi.json", context)[1])
    assert {"/", "/about/", "/docs", "/openapi.json", "/livez", "/readyz"} == set(document["paths"])
    page = ask(server.port, "/docs", context)[1]
    assert b"/metrics" not in page
    metrics = ask(admin, "/metrics")[1]
    assert re.search(rb'engine_requests_total\{method="GET",route="/",status="200"\} [1-9]', metrics)
    assert b"engine_workers 2" in metrics


def test_clients_that_never_finish_their_handshake_hold_up_nobody(server: Server, pairs: list[Pair]) -> None:
    with contextlib.ExitStack() as opened:
        for _ in range(200):
            client = opened.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            client.sendall(b"\x16\x03\x01")
        assert 200 == ask(admin_port(server), "/readyz")[0]
        assert (200, b"hello") == ask(server.port, "/", trusting(pairs[0]))


@pytest.mark.exhaustive
def test_a_connection_whose_handshake_does_not_end_is_closed_after_30_seconds(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
        client.sendall(b"\x16\x03\x01")
        assert b"" == client.recv(1)


@pytest.mark.exhaustive
def test_sighup_renews_the_certificate_without_losing_a_request(server: Server, pairs: list[Pair]) -> None:
    context, stop, wrong, answered = trusting(*pairs), threading.Event(), [], []

    def load(keeps: bool) -> None:
        connection = http.client.HTTPSConnection("localhost", server.port, timeout=20, context=context)
        while not stop.is_set():
            try:
                connection.request("GET", "/")
                answered.append(connection.getresponse().read() == b"hello")
            except (OSError, http.client.HTTPException) as error:
                wrong.append(repr(error))
            if not keeps:
                connection.close()
        connection.close()

    clients = [threading.Thread(target=load, args=[keeps]) for keeps in (True, False)]
    for client in clients:
        client.start()
    try:
        before = {worker["pid"] for worker in status(server)["workers"]}
        install(server.folder, pairs[1])
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: not before & {worker["pid"] for worker in status(server)["workers"]}, server)
        wait_until(lambda: all(worker["responds"] for worker in status(server)["workers"]), server)
    finally:
        stop.set()
        for client in clients:
            client.join()
    assert ([], True) == (wrong, all(answered))
    assert len(answered) > 20
    assert {pairs[1].chain.read_text()} == {shown(server) for _ in range(8)}
    assert any("now serving the new certificate" in line for line in server.lines)
    assert any("the certificate has changed" in line for line in server.lines)


@pytest.mark.exhaustive
def test_a_broken_certificate_is_not_served_and_the_status_says_why(server: Server, pairs: list[Pair]) -> None:
    """The previous one is served, also by workers that have to be replaced meanwhile."""
    before = shown(server)
    shutil.copy(pairs[2].chain, server.folder / "cert.pem")  # without its key
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: bool(status(server)["degraded"]), server)
    (reason,) = status(server)["degraded"]
    assert reason.startswith(
        "--tls-key key.pem: the key does not belong to the first certificate of --tls-cert cert.pem"
    )
    wait_until(lambda: any("still serving the previous one" in line for line in server.lines), server)
    killed = status(server)["workers"][0]["pid"]
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: killed not in {worker["pid"] for worker in status(server)["workers"]}, server)
    wait_until(lambda: all(worker["responds"] for worker in status(server)["workers"]), server)
    assert {before} == {shown(server) for _ in range(8)}
    (server.folder / "routes.yaml").write_text(ROUTES.replace("hello", "changed"))
    wait_until(lambda: ask(server.port, "/", trusting(*pairs))[1] == b"changed", server)
    assert [reason] == status(server)["degraded"]  # which a good change of the spec does not mend
    shutil.copy(pairs[2].key, server.folder / "key.pem")
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: not status(server)["degraded"], server)
    wait_until(lambda: {pairs[2].chain.read_text()} == {shown(server) for _ in range(8)}, server)


NO_ADDRESS = "is not an address with its port; write HOST:PORT, such as 127.0.0.1:9000 or [::1]:9000"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tls-cert", "cert.pem"], "--tls-cert needs --tls-key too; add --tls-key FILE"),
        (["--tls-key", "key.pem"], "--tls-key needs --tls-cert too; add --tls-cert FILE"),
        (["--admin", "127.0.0.1:5000"], "--admin needs a port of its own; port 5000 is that of the service"),
        (["-p", "80", "--admin", "127.0.0.1:80"], "--admin needs a port of its own; port 80 is that of the service"),
        *(
            (["--admin", admin], f'"{admin}" {NO_ADDRESS}')
            for admin in ("9000", "127.0.0.1", ":9000", "::1:9000", "127.0.0.1:99999", "127.0.0.1:", "http://a:1")
        ),
    ],
)
def test_wrong_options_are_told(options: list[str], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.server.Signals", lambda: None)
    with pytest.raises(click.UsageError) as caught:
        cli.main(["serve", *options], standalone_mode=False)
    assert message == caught.value.message


def test_the_host_of_an_admin_address_is_one_of_this_machine() -> None:
    with pytest.raises(ServeError) as caught:
        listen_on("999.1.1.1", 9000, 1, ADMIN_ADVICE)
    message = 'the host "999.1.1.1" is not an address of this machine; try --admin 127.0.0.1:9000'
    assert message == str(caught.value)


def test_an_admin_port_that_is_taken_is_told(tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text(ROUTES)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        serve = command("serve", "-p", "0", "-w", "1", "--admin", f"127.0.0.1:{port}")
        done = subprocess.run(serve, cwd=tmp_path, capture_output=True, text=True, check=False)
    message = f"error: port {port} on 127.0.0.1 is already in use; choose another with --admin\n"
    assert (1, message) == (done.returncode, done.stderr[-len(message) :])


def test_in_json_the_log_says_what_is_wrong_with_the_certificate(tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text(ROUTES)
    serve = command("serve", "--log-format", "json", "--tls-cert", "no.pem", "--tls-key", "no.pem")
    done = subprocess.run(serve, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ("", 1) == (done.stdout, done.returncode)
    assert ["--tls-cert no.pem: file not found"] == [json.loads(x)["message"] for x in done.stderr.splitlines()]
