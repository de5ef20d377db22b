"""The examples do as their first lines say: trained, checked, served, asked by curl."""

from __future__ import annotations

import contextlib
import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from openapi_spec_validator import validate
from serving import command_length, run_here, serving

EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/routes.yaml"))
ANSWERS = {
    "1-hello": ["<p>Hello, World!</p>"],
    "2-routing": ["<p>Hello shkim!</p>"],
    "3-methods": ['{"hello":"world"}\n'],
    "4-iris": ['{"result":[2]}\n'],
    "diabetes": ['{"result":[198.995250764128'],
    "guarded": ['{"type":"about:blank","title":"Unauthorized","status":401', '{"hello":"ci"}\n', "hello everybody"],
    "houses": ['{"result":[370394.39704', '{"result":[1862.3195840', '{"result":[1862.3195840'],
    "mocks": [
        '{"id":42,"lang":"fr","agent":"curl/',
        '{"id": "1", "title": "a title", "views": 100}\n',
        "four",
        '{"id":1,"name":"Spot","photoUrls":["https://pets.example/spot.jpg"]}\n',
    ],
    "nginx": ["Hello you", "Hello you"],
    "passengers": ['{"result":["comes"],"probabilities":[{"comes":0.', '{"result":["stays away"],"probabilities":[{'],
    "shop": [
        '{"q":"lamp","page":1,"tags":[],"found":[{"id":1,"sku":"LA-001"',
        '{"id":7,"decision":"call","risk":0.9',
        '[{"number":1001,"state":"shipped"}]\n',
    ],
    "reviews": ['{"result":["positive"],"probabilities":[{"negative":0.'],
}
# What `check` says of an example that is as it should be.
WARNED = {"shop": 'examples/shop/models.yaml:59:15: warning: file "build/delivery_days.joblib" does not exist;'}


def introduction(example: Path) -> Iterator[str]:
    """The commands in the comment at the head of an example's routes.yaml."""
    text = (example / "routes.yaml").read_text()
    lines = [line.removeprefix("# ") for line in text.splitlines(keepends=True) if line.startswith("# ")]
    while lines:
        if not lines[0].startswith(("python ", "curl ")):
            del lines[0]
            continue
        length = command_length(lines)
        yield "".join(lines[:length]).strip()
        del lines[:length]


@pytest.mark.exhaustive
@pytest.mark.usefixtures("in_place")
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_trains_checks_serves_and_answers(example: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("build"))
    for name in ("train.py", "routes.yaml", "models.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    answers, warned = [], WARNED.get(example.name, "")
    with contextlib.ExitStack() as running:
        for line in introduction(example):
            words = shlex.split(line)
            if words[:4] == ["python", "-m", "engine", "serve"]:
                done = run_here("check", *words[4:], cwd=tmp_path)
                assert (0, warned) == (done.returncode, done.stderr[: len(warned) or None])
                server = running.enter_context(serving(tmp_path, "-w", "1", *words[4:]))
                validate(json.loads(server.request("GET", "/openapi.json")[2]))
                continue
            here = [sys.executable, *words[1:]] if words[0] == "python" else ["curl", "-s", *words[1:]]
            here = [word.replace(":5000", f":{server.port}") if "http:" in word else word for word in here]
            done = subprocess.run(here, cwd=tmp_path, capture_output=True, text=True, check=False)
            assert (0, "") == (done.returncode, done.stderr)
            answers += [done.stdout] if words[0] == "curl" else []
    expected = ANSWERS[example.name]
    assert expected == [answer[: len(start)] for start, answer in zip(expected, answers, strict=True)]
