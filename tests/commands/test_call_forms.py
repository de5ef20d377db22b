"""Forms that `call` sends: what curl sends for the same options, and what is wrong with options."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from serving import run_here

from engine.handling import handler

pytestmark = pytest.mark.usefixtures("in_place")
ROUTES = """
routes:
  - path: /photos
    accepts: [multipart]
    input:
      type: object
      required: [file]
      properties: {title: {type: string}, file: {type: object}, tags: {type: array, items: {type: string}}}
    response: {json: "${body}"}
  - path: /reviews
    accepts: [json, form]
    input: {type: object, properties: {stars: {type: integer}, text: {type: string}}}
    response: {json: "${body}"}
"""


@pytest.fixture
def folder(spec_folder: Path) -> Path:
    (spec_folder / "routes.yaml").write_text(ROUTES)
    (spec_folder / "lamp.png").write_bytes(b"\x89PNG\r\n\x00\xff")
    (spec_folder / "note.txt").write_text("bright & warm\n")
    return spec_folder


@pytest.fixture
def heard() -> Iterator[HTTPServer]:
    """A server on loopback that keeps the Content-Type and the body of each request."""

    class Hear(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.heard.append((self.headers["Content-Type"], body))  # type: ignore[attr-defined]
            self.send_response(204)
            self.end_headers()

        def log_message(self, *arguments: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Hear)
    server.heard = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def parts_of(content_type: str, body: bytes) -> Any:
    """Return what a form says: of multipart, each part as Python's own reader of e-mail finds it."""
    if not content_type.startswith("multipart/form-data"):
        return content_type, parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True)
    message = BytesParser().parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    return [
        (part["Content-Disposition"], part["Content-Type"], part.get_payload(decode=True))
        for part in message.get_payload()
    ]


FORMS = [
    ["-F", "title=a lamp"],
    ["-F", "title=é, b", "-F", "title="],
    ["-F", "file=@lamp.png;type=image/png"],
    ["-F", "file=@lamp.png;type=image/png;filename=other.png"],
    ["-F", "file=@lamp.png;filename=a b.png;type=image/png", "-F", "tags=a", "-F", "tags=b"],
    ["-F", 'file=@lamp.png;type=image/png;filename=a"b.png'],
    ["-F", 'ti"tle={"a": 1};type=application/json'],
    ["--form-string", "title=@note.txt;type=text/html"],
    ["--data-urlencode", "text=bright & warm=é+%20", "--data-urlencode", "stars=5"],
    ["--data-urlencode", "text@note.txt"],
    ["--data-urlencode", "=a b"],
    ["--data-urlencode", "a b"],
    ["--data-urlencode", "@note.txt"],
]


@pytest.mark.parametrize("options", FORMS, ids=" ".join)
@pytest.mark.usefixtures("folder")
def test_a_form_is_sent_as_curl_sends_it(
    options: list[str], heard: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"http://127.0.0.1:{heard.server_port}/photos"
    subprocess.run(["curl", "-sS", *options, url], check=True, timeout=30)
    sent: list[Any] = []
    answer = handler.Handler.respond

    def listen(self: Any, incoming: Any) -> Any:
        environ = incoming.environ
        sent.append((environ["CONTENT_TYPE"], environ["wsgi.input"].read()))
        environ["wsgi.input"].seek(0)
        return answer(self, incoming)

    monkeypatch.setattr(handler.Handler, "respond", listen)
    run_here("call", "POST", "/photos", *options)
    (expected,), (found,) = heard.heard, sent  # type: ignore[attr-defined]
    if "=" not in options[1] or options[1].startswith("="):  # which has no name, and is no pair
        assert expected == found
    else:
        assert parts_of(*expected) == parts_of(*found)


ANSWERS = [
    (("/photos", "-F", "title=A", "-F", "file=@lamp.png"), {"name": "lamp.png", "type": "image/png", "size": 8}),
    (("/photos", "--form-string", "title=A", "-F", "file=@-;filename=x"), {"name": "x", "size": 4}),
    (("/photos", "-F", "title=A", "-F", "file=@note.txt"), {"name": "note.txt", "type": "text/plain", "size": 14}),
]


@pytest.mark.parametrize(("arguments", "file"), ANSWERS)
@pytest.mark.usefixtures("folder")
def test_a_route_gets_the_parts_of_a_form(arguments: tuple[str, ...], file: dict[str, Any]) -> None:
    body = json.loads(run_here("call", "POST", *arguments, data="data").stdout)
    assert {"title": "A", "file": {"type": "application/octet-stream", **file}} == body


@pytest.mark.usefixtures("folder")
def test_a_route_gets_the_values_of_a_form() -> None:
    values = ("--data-urlencode", "stars=5", "--data-urlencode", "text@note.txt")
    assert {"stars": 5, "text": "bright & warm\n"} == json.loads(run_here("call", "POST", "/reviews", *values).stdout)


@pytest.mark.usefixtures("folder")
def test_a_route_that_takes_no_such_form_says_so() -> None:
    done = run_here("call", "POST", "/photos", "--data-urlencode", "title=A", "--json")
    assert (1, 415) == (done.returncode, json.loads(done.stdout)["status"])


MISTAKES = [
    (("-F", "title"), '-F: "title" is not of the form NAME=VALUE or NAME=@FILE'),
    (("-F", "=x"), '-F: "=x" is not of the form NAME=VALUE or NAME=@FILE'),
    (("--form-string", "title"), '--form-string: "title" is not of the form NAME=VALUE'),
    (("-F", "file=@nothing.png"), "-F: nothing.png cannot be read: No such file or directory"),
    (("-F", "file=@build"), "-F: build cannot be read: it is a folder, not a regular file"),
    (("-F", "file=@lamp.png;type=png"), '-F: "png" is not a media type, such as image/png'),
    (("-F", "a=b;type=a/b\r\nX: y"), "is not a media type, such as image/png"),
    (("--data-urlencode", "a@nothing.txt"), "--data-urlencode: nothing.txt cannot be read: No such file or directory"),
    (("-F", "a=b", "-d", "x"), "a request has one body; use only one of -d, -F and --data-urlencode"),
    (("-d", "", "--data-urlencode", "a=b"), "a request has one body; use only one of -d, -F and --data-urlencode"),
    (
        ("-F", "a=b", "-H", "content-type: multipart/form-data"),
        "-H: -F writes the Content-Type itself, since it has the boundary of the parts; remove it here",
    ),
]


@pytest.mark.parametrize(("options", "told"), MISTAKES)
@pytest.mark.usefixtures("folder")
def test_a_mistake_in_a_form_is_told(options: tuple[str, ...], told: str) -> None:
    done = run_here("call", "POST", "/photos", *options)
    assert (2, True, "") == (done.returncode, told in done.stderr, done.stdout), done.stderr
