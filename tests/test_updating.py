"""Every step of the page "Update a model", one after the other, on a service that runs meanwhile."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import joblib
import numpy as np
import pytest
from click.testing import CliRunner
from conftest import ROOT
from modelling import NAMES, X, y
from serving import Server, serving
from sklearn.tree import DecisionTreeClassifier
from test_docs import commands

from engine import lock_models
from engine.commands import cli

PAGE = ROOT / "docs" / "updating.md"
SECONDS = 30
GIT = {f"GIT_{who}_{what}": "tests" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """A service as the page takes it: from init, with one model file served and the next one trained, under git."""
    request.getfixturevalue("in_place")
    monkeypatch.chdir(tmp_path)
    Path("models").mkdir()
    for number in (1, 2):
        joblib.dump(DecisionTreeClassifier(max_depth=number, random_state=0).fit(X, y), f"models/iris-{number}.pkl")
    np.savetxt("rows.csv", X[::-1], "%g", ",", header=",".join(NAMES), comments="")
    init = ["init", "models/iris-1.pkl", "--name", "iris", "--reference", "rows.csv"]
    assert 0 == CliRunner().invoke(cli, init).exit_code
    lock_models()
    run("git init -q; git add *.yaml *.lock; git commit -q -m iris-1", tmp_path)
    return tmp_path


def run(line: str, folder: Path, server: Server | None = None) -> str:
    here = re.sub(r"^python ", f"{sys.executable} ", line).replace("curl ", "curl -s ")
    here = here.replace("127.0.0.1:5000", f"127.0.0.1:{server.port}") if server else here
    done = subprocess.run(
        ["bash", "-c", here], cwd=folder, capture_output=True, text=True, check=False, env={**os.environ, **GIT}
    )
    assert "" == done.stderr, line
    return done.stdout


def words(text: str) -> list[list[str]]:
    """The words of each line, without what differs from run to run: hashes, runtimes and times."""
    hidden = re.sub(r"\b(?:[0-9a-f]{64}|[0-9a-f]{12})\b", "HASH", text)
    hidden = re.sub(r"^(runtime|µs for [\d,]+(?: row)?) .*$", r"\1", hidden, flags=re.MULTILINE)
    return [line.strip("─").split() for line in hidden.rstrip("\n").splitlines()]


@pytest.mark.exhaustive
def test_every_step_of_the_page_does_what_it_says(service: Path) -> None:
    with serving(service) as server:
        ran = 0
        for line, shown in commands(PAGE):
            deadline = time.monotonic() + SECONDS
            printed = run(line, service, server)
            while line.startswith("curl") and printed.split() != shown.split() and time.monotonic() < deadline:
                time.sleep(0.1)  # until the change is served
                printed = run(line, service, server)
            assert words(shown) == words(printed), line
            if line.startswith("sed"):
                status = server.wait_until(lambda status: bool(status["degraded"]))
                assert "the file differs from its pin" in str(status["degraded"])
            ran += 1
        assert ran == 10
        assert 0 == server.stop()
