"""Behaviour as data: each folder in tests/cases has a spec and, in requests.yaml, requests with their exact answers.

A request's body is a string, or a list of strings, `{hex: ...}` and `{repeat: ..., times: ...}` to be joined. An
answer has a status and, as far as they are named, headers and `text`, `json`, `page`, which is an error's page without
what styles it, or `problem`, which is a problem's detail, alone or with its errors. build/model.pkl is the tutorial's
model with 20 trees, and its probabilities are those that scikit-learn gives.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flask
import pytest
import yaml
from conftest import ROOT
from werkzeug.test import TestResponse

from engine import create_app
from engine.handling.error_page import dress

EVERY_FOLDER = sorted(path.parent for path in (ROOT / "tests" / "cases").glob("*/requests.yaml"))
IN_ORDER = [folder for folder in EVERY_FOLDER if folder.name.startswith("sequences")]
FOLDERS = [folder for folder in EVERY_FOLDER if folder not in IN_ORDER]


def requests() -> Iterator[Any]:
    for folder in FOLDERS:
        for case in read_requests(folder):
            yield pytest.param(folder, case, id=f"{folder.name}: {case['name']}")


def read_requests(folder: Path) -> Any:
    return yaml.safe_load((folder / "requests.yaml").read_text())


@pytest.fixture(scope="module")
def apps(iris_file: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Path, flask.Flask]:
    made = {}
    for folder in FOLDERS:
        copy = tmp_path_factory.mktemp(folder.name)
        shutil.copytree(folder, copy, dirs_exist_ok=True)
        (copy / "build").mkdir()
        shutil.copytree(iris_file.parent, copy / "build", dirs_exist_ok=True)
        made[folder] = create_app(copy / "routes.yaml")
    return made


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


@pytest.mark.parametrize(("folder", "case"), list(requests()))
def test_a_request_gets_its_answer(folder: Path, case: dict[str, Any], apps: dict[Path, flask.Flask]) -> None:
    require_answer(apps[folder], case)


@pytest.mark.parametrize("folder", IN_ORDER, ids=lambda folder: folder.name)
def test_requests_in_their_order_get_their_answers(folder: Path) -> None:
    app = create_app(folder / "routes.yaml")
    for case in read_requests(folder):
        require_answer(app, case)


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
