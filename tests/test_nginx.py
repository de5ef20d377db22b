"""examples/nginx, behind nginx itself: with the prefix passed on, and with the prefix removed."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from http import HTTPStatus
from http.client import HTTPConnection
from urllib.parse import urljoin

import pytest
from conftest import ROOT
from openapi_spec_validator import validate
from serving import Server, serving

EXAMPLE = ROOT / "examples" / "nginx"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin:/opt/homebrew/bin")
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("nginx")
    shutil.copy(EXAMPLE / "routes.yaml", folder)
    with serving(folder, "-w", "1", "--log-requests") as server:
        yield server


@contextlib.contextmanager
def in_front(service: Server, name: str) -> Iterator[int]:
    """Run nginx with an example's file, on a port of its own in front of the service."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = service.folder / name
    folder.mkdir()
    example = (EXAMPLE / f"{name}.conf").read_text()
    (folder / "example.conf").write_text(
        example.replace("listen 80;", f"listen 127.0.0.1:{port};").replace(
            "127.0.0.1:5000", f"127.0.0.1:{service.port}"
        )
    )
    temporary = "".join(f"{kind}_temp_path {kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(
        f"daemon off; pid nginx.pid; error_log error.log; worker_processes 1; events {{}}\n"
        f"http {{ access_log off; {temporary} include example.conf; }}\n"
    )
    process = subprocess.Popen([NGINX, "-p", str(folder), "-c", "nginx.conf", "-e", "error.log"])
    try:
        deadline = time.monotonic() + 10
        while not is_open(port):
            assert process.poll() is None, (folder / "error.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def is_open(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module", params=["kept", "stripped"])
def proxy(request: pytest.FixtureRequest, service: Server) -> Iterator[int]:
    with in_front(service, request.param) as port:
        yield port


def ask(port: int, method: str, path: str, body: str | None = None) -> tuple[int, dict[str, str], str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, body)
    answer = connection.getresponse()
    headers = {name.lower(): value for name, value in answer.getheaders()}
    with contextlib.closing(connection):
        return answer.status, headers, answer.read().decode()


def test_routes_are_reached_below_the_prefix(proxy: int) -> None:
    assert (200, "Hello you") == ask(proxy, "GET", "/feedback/hello/you")[::2]
    assert (201, '{"thanks":true}\n') == ask(proxy, "POST", "/feedback/stars/", '{"stars": 5}')[::2]
    status, headers, _ = ask(proxy, "GET", "/feedback/nothing")
    assert (404, "application/problem+json") == (status, headers["content-type"])


def test_every_link_of_the_docs_works(proxy: int) -> None:
    """Links, styles, scripts and forms, as a browser resolves them, and those of the reference."""
    seen = set()
    for page in ("/feedback/docs", "/feedback/docs/reference"):
        address = f"http://127.0.0.1:{proxy}{page}"
        with urllib.request.urlopen(address) as answer:
            text = answer.read().decode()
        seen |= {urljoin(address, link) for link in re.findall(r'(?:href|src|action)="([^"#]*)"', text)}
        seen |= {urljoin(address, root) for root in re.findall(r'data-root="([^"]*)"', text)}
    seen = {link for link in seen if link.startswith("http")}
    hidden = {link for link in seen if re.search("/(metrics|-/status)$", link)}
    assert len(seen) > 5
    for link in seen - hidden:
        with urllib.request.urlopen(link) as answer:
            assert (200, True) == (answer.status, link.startswith(f"http://127.0.0.1:{proxy}/feedback/"))


def test_the_document_leads_to_the_service(proxy: int) -> None:
    for path in ("/feedback/openapi.json", "/feedback/docs/document.json"):
        address = f"http://127.0.0.1:{proxy}{path}"
        with urllib.request.urlopen(address) as answer:
            document = json.load(answer)
        validate(document)
        server = urljoin(address, document["servers"][0]["url"])
        assert f"http://127.0.0.1:{proxy}/feedback" == server
        assert "Hello you" == ask(proxy, "GET", f"{server.partition(str(proxy))[2]}/hello/you")[2]


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        ("/feedback/stars?a=b", "/feedback/stars/?a=b"),
        ("/feedback/stars//", "/feedback/stars/"),
        ("/feedback", "/feedback/"),
    ],
)
def test_redirects_stay_below_the_prefix(proxy: int, path: str, leads_to: str) -> None:
    status, headers, _ = ask(proxy, "POST", path, '{"stars": 5}')
    if status != HTTPStatus.CREATED:  # nginx merges slashes where it decodes the path
        location = urljoin(f"http://127.0.0.1:{proxy}{path}", headers["location"])
        assert (True, leads_to) == (status in (301, 308), location.partition(f":{proxy}")[2] or location)


def test_what_is_not_for_clients_stays_inside(proxy: int, service: Server) -> None:
    assert [404, 404] == [ask(proxy, "GET", f"/feedback/{path}")[0] for path in ("metrics", "-/status")]
    assert [200, 200] == [service.request("GET", path)[0] for path in ("/metrics", "/-/status")]


def test_the_log_has_the_client_and_the_request_id_that_nginx_made(proxy: int, service: Server) -> None:
    _, headers, _ = ask(proxy, "GET", "/feedback/hello/logged")
    request_id = headers["x-request-id"]
    deadline = time.monotonic() + 10
    while not any(request_id in line for line in service.lines):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    line = next(line for line in service.lines if request_id in line)
    assert re.search(r"GET (/feedback)?/hello/logged 200 12 B \S+ ms 127\.0\.0\.1 [0-9a-f]{32}", line)
