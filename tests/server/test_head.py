"""A request's head becomes an environ, and what HTTP does not allow in it is found."""

from __future__ import annotations

import pytest
from granian_door import Headers, Scope

from engine.server.http.head import read_head

LIMIT = 8192


def head(*headers: tuple[str, str], version: str = "1.1", path: str = "/", limit: int = LIMIT) -> tuple[int, str]:
    scope = Scope(path=path, headers=[*headers])
    scope.http_version = version
    problem = read_head(scope, limit, 0.0).error
    return (problem.status, problem.detail) if problem is not None else (0, "")


def environ(*headers: tuple[str, str], path: str = "/", client: str = "127.0.0.1:9") -> dict[str, str]:
    scope = Scope(path=path, query="a=%20", headers=[("Host", "x"), *headers])
    scope.client = client
    return read_head(scope, LIMIT, 0.0).environ


HOST = ("Host", "x")


def test_a_query_in_utf_8_is_latin_1_in_an_environ() -> None:
    """As PEP 3333 has it; Granian decodes it."""
    scope = Scope(path="/", query="q=日本&é=1", headers=[HOST])
    sent = read_head(scope, LIMIT, 0.0).environ["QUERY_STRING"]
    assert "q=日本&é=1" == sent.encode("latin-1").decode()


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], (400, "the Host header is missing; HTTP/1.1 requires it")),
        ([HOST, HOST], (400, "there is more than one Host header; send one")),
        ([HOST, ("Transfer-Encoding", "Chunked")], (0, "")),
        (
            [HOST, ("Transfer-Encoding", "gzip, chunked")],
            (501, 'the transfer coding "gzip, chunked" is not supported; send the body as it is, or chunked'),
        ),
        ([HOST, ("TE", "trailers, deflate")], (0, "")),
    ],
)
def test_heads_that_http_does_not_allow(headers: Headers, expected: tuple[int, str]) -> None:
    assert expected == head(*headers)


def test_http_1_0_needs_no_host() -> None:
    assert (0, "") == head(version="1.0")
    assert (0, "") == head(version="1")


def test_the_limit_of_headers_is_exact() -> None:
    """Each header counts as it is written: a colon, a space and a line's end beside its name and value."""
    fitting = "a" * (LIMIT - len("host: x\r\n") - len("x-a: \r\n"))
    assert (0, "") == head(HOST, ("X-A", fitting))
    expected = (431, "the headers have 8,193 bytes; at most 8,192 are allowed")
    assert expected == head(HOST, ("X-A", fitting + "a"))
    assert expected == head(HOST, ("X-A", fitting[: -len("x-a: \r\n")]), ("X-A", "a"))


def test_headers_that_are_sent_several_times_are_joined() -> None:
    found = environ(("X-A", "1"), ("X-A", "2"), ("Cookie", "a=1"), ("Cookie", "b=2"), ("Content-Type", "text/plain"))
    assert ("1,2", "a=1;b=2", "text/plain") == (found["HTTP_X_A"], found["HTTP_COOKIE"], found["CONTENT_TYPE"])


def test_a_name_with_an_underscore_does_not_pass_for_one_with_a_hyphen() -> None:
    found = environ(("X_Forwarded_For", "1.2.3.4"), ("Content_Length", "5"))
    assert ["HTTP_HOST"] == [key for key in found if key.startswith(("HTTP_", "CONTENT_"))]
    assert "5.6.7.8" == environ(("X-Forwarded-For", "5.6.7.8"), ("X_Forwarded-For", "1.2.3.4"))["HTTP_X_FORWARDED_FOR"]


def test_what_an_environ_says_of_a_request() -> None:
    found = environ(path="/é", client="[::ffff:1.2.3.4]:9")
    assert ("GET", "/Ã©", "a=%20", "HTTP/1.1") == tuple(
        found[key] for key in ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "SERVER_PROTOCOL")
    )
    assert "::ffff:1.2.3.4" == found["REMOTE_ADDR"]


def test_the_names_that_are_remembered_are_bounded() -> None:
    for number in range(3000):
        environ((f"X-{number}", "x"), ("X-" + "y" * 1000 + str(number), "x"))
    from engine.server.http import head as module

    assert len(module.KEYS) <= 1000
    assert max(map(len, module.KEYS)) <= 64
