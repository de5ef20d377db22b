"""Requests that were written to break a service: each gets an answer, and costs no more than its bytes pay for."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import flask
import pytest

from engine import create_app

PART = b"--B\r\nContent-Disposition: form-data%b\r\n\r\nx\r\n--B--\r\n"
TEXTS = {"required": ["a", "b"], "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}


def app_of(folder: Path, *routes: dict[str, Any]) -> flask.Flask:
    (folder / "routes.yaml").write_text(json.dumps({"routes": list(routes)}))
    return create_app(folder / "routes.yaml")


@pytest.mark.parametrize("disposition", [b"", b'; filename="a"'])
def test_a_part_of_a_form_without_a_name_is_refused(tmp_path: Path, disposition: bytes) -> None:
    route = {"path": "/", "methods": ["POST"], "accepts": ["multipart"], "input": {"type": "object"}}
    app = app_of(tmp_path, {**route, "response": {"json": "${body}"}})
    headers = {"Content-Type": "multipart/form-data; boundary=B"}
    answer = app.test_client().post("/", data=PART % disposition, headers=headers)
    assert (400, True) == (answer.status_code, "has no name" in answer.json["detail"])


HEADS = {"headers": b"a:\r\n", "lines": b"A: b\r\n c\r\n", "parameters": b"A: b; c=d; e=f; g=h\r\n"}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_the_headers_of_a_part_are_bounded(tmp_path: Path, head: bytes) -> None:
    """They take up to 40 times their size while they are read."""
    route = {"path": "/", "methods": ["POST"], "accepts": ["multipart"], "input": {"type": "object"}}
    app = app_of(tmp_path, {**route, "response": {"json": "${body}"}})
    headers = {"Content-Type": "multipart/form-data; boundary=B"}
    names = b'Content-Disposition: form-data; name="a"\r\n'
    few, many = (b"--B\r\n%s%s\r\nx\r\n--B--\r\n" % (names, head * times) for times in (100, 900_000 // len(head)))
    assert {"a": "x"} == app.test_client().post("/", data=few, headers=headers).json
    tracemalloc.start()
    answer = app.test_client().post("/", data=many, headers=headers)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (400, "the headers of a part have more than 16,384 bytes") == (answer.status_code, answer.json["detail"])
    assert peak < 8 * len(many)


@pytest.mark.parametrize("header", ["Location", "Link", "SourceMap"])
def test_empty_segments_make_no_host(tmp_path: Path, header: str) -> None:
    text = "/${query.a}/${query.b}"
    response = {"headers": {header: f"</x>; rel=prev, <{text}>; rel=next" if header == "Link" else text}}
    app = app_of(tmp_path, {"path": "/", "query": TEXTS, "response": response})
    sent = app.test_client().get("/?a=&b=evil.example").headers[header]
    assert ("</x>; rel=prev, </.//evil.example>; rel=next" if header == "Link" else "/.//evil.example") == sent


def test_a_cookie_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    cookies = {"properties": {"a": {"type": "string", "default": "z"}}}
    app = app_of(tmp_path, {"path": "/", "cookies": cookies, "response": {"json": "${cookies.a}"}})
    answer = app.test_client(use_cookies=False).get("/", headers={"Cookie": "a=\xff"})
    assert (400, "the cookies are not UTF-8") == (answer.status_code, answer.json["detail"])


@pytest.mark.parametrize("begin", ["0; url=", "0.5; url=", ".5;url=", "0 url=", "0 ", "0;url='"])
def test_a_refresh_leads_to_no_other_host(tmp_path: Path, begin: str) -> None:
    response = {"headers": {"Refresh": f"{begin}/${{query.a}}/${{query.b}}"}}
    app = app_of(tmp_path, {"path": "/", "query": TEXTS, "response": response})
    sent = app.test_client().get("/?a=&b=evil.example").headers["Refresh"]
    assert f"{begin}/.//evil.example" == sent


def test_a_value_between_quotes_of_a_header_stays_there(tmp_path: Path) -> None:
    response = {"headers": {"Content-Disposition": 'attachment; filename="${query.b}"'}}
    app = app_of(tmp_path, {"path": "/", "query": TEXTS, "response": response})
    sent = app.test_client().get("/?a=&b=a%22;filename*=x%5C").headers["Content-Disposition"]
    assert 'attachment; filename="a%22;filename*=x%5C"' == sent


@pytest.mark.parametrize("count", [10, 100_000])
def test_all_conditions_together_cost_what_the_bytes_of_a_request_pay_for(tmp_path: Path, count: int) -> None:
    """Twenty conditions, each of which may judge a small body, and none of them a large one after the others."""
    costly = [{"type": "array", "items": {"multipleOf": 0.01}, "contains": {"const": f"q{n}"}} for n in range(20)]
    cases: list[Any] = [{"when": {"body": schema}, "response": {"text": "a"}} for schema in costly]
    app = app_of(tmp_path, {"path": "/", "input": {}, "cases": [*cases, {"response": {"text": "z"}}]})
    answer = app.test_client().post("/", data=json.dumps([7] * count))
    if count == 10:
        assert (200, "z") == (answer.status_code, answer.text)
    else:
        assert (422, True) == (answer.status_code, "takes too long" in answer.json["detail"])


def test_an_accept_header_is_remembered_only_as_far_as_it_is_read(tmp_path: Path) -> None:
    app = app_of(tmp_path, {"path": "/", "response": {"json": [1], "text": "a"}})
    tracemalloc.start()
    for number in range(300):
        answer = app.test_client().get("/", headers={"Accept": f"*/*,{number}{'x' * 50_000}"})
        assert b"[1]\n" == answer.data
    current = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert current < 2_000_000
