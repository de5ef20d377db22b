"""Requests in YAML with their exact answers: read, sent to an app, and compared.

A request's body is a string, or a list of strings, `{hex: ...}` and `{repeat: ..., times: ...}` to be joined. An
answer has a status and, as far as they are named, headers and `text`, `json`, `page`, which is an error's page without
what styles it, or `problem`, which is a problem's detail, alone or with its errors.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import flask
import yaml
from werkzeug.test import TestResponse

from engine.handling.error_page import dress


def read_requests(folder: Path) -> Any:
    return yaml.safe_load((folder / "requests.yaml").read_text())


def body_of(parts: Any) -> bytes:
    if isinstance(parts, str):
        return parts.encode()
    if isinstance(parts, dict):
        return bytes.fromhex(parts["hex"]) if "hex" in parts else parts["repeat"].encode() * parts["times"]
    return b"".join(map(body_of, parts or ()))


def send(app: flask.Flask, request: dict[str, Any]) -> TestResponse:
    return app.test_client(use_cookies=False).open(
        request["path"],
        method=request.get("method", "POST" if "body" in request else "GET"),
        headers=request.get("headers"),
        data=body_of(request.get("body")),
    )


def require_answer(app: flask.Flask, case: dict[str, Any]) -> None:
    answer = send(app, case["request"])
    expected = case["answer"]
    assert expected["status"] == answer.status_code, answer.text
    for name, value in expected.get("headers", {}).items():
        assert (name, value) == (name, answer.headers.get(name))
    if "text" in expected:
        assert expected["text"] == answer.text
    if "page" in expected:
        page, headers = dress(expected["page"])
        assert (page, {*headers} <= {*answer.headers}) == (answer.text, True)
    if "json" in expected:
        assert expected["json"] == json.loads(answer.data)
    if "problem" in expected:
        assert "application/problem+json" == answer.content_type
        wanted = expected["problem"] if isinstance(expected["problem"], dict) else {"detail": expected["problem"]}
        problem = json.loads(answer.data)
        assert expected["status"] == problem.pop("status")
        assert "about:blank" == problem.pop("type")
        assert answer.status.split(" ", 1)[1].lower() in {problem.pop("title").lower(), *RENAMED}
        assert wanted == problem


# RFC 9110 renamed two codes that Werkzeug still calls by their older names on the status line.
RENAMED = {"request entity too large", "unprocessable entity"}
