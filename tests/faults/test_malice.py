"""Model files that would run code: where nothing but pins is trusted, they never do; no format is guessed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path

import joblib
import pytest
from modelling import X, y
from serving import Server, command, replace_file, run, run_here
from sklearn.tree import DecisionTreeClassifier

from engine.errors import SpecError
from engine.server.checking import SpecSource
from engine.server.service import first_check

SLOTS = (".pkl", ".pickle", ".joblib", ".skops", ".onnx")
MODELS = "models: {m: {file: m%s, input: {type: array, items: {type: number}, minItems: 4, maxItems: 4}}}"
BODY = "[5.9, 3.0, 5.1, 1.8]"


class Payload:
    """Would make a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> object:
        return os.mkdir, (str(self.canary),)


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "canary"


def write_spec(folder: Path, suffix: str) -> None:
    (folder / "routes.yaml").write_text("routes: [{path: /, response: hi}, {path: /p, model: m}]")
    (folder / "models.yaml").write_text(MODELS % suffix)


def refusal(folder: Path, *, locked: bool) -> str:
    """Why `serve` does not start."""
    with contextlib.chdir(folder), pytest.raises(SpecError) as refused:
        first_check(SpecSource("routes.yaml", None, locked=locked), lambda _: None)
    return str(refused.value)


@pytest.mark.usefixtures("in_place")
@pytest.mark.parametrize("suffix", SLOTS)
def test_what_is_not_pinned_is_not_opened(suffix: str, tmp_path: Path, canary: Path) -> None:
    write_spec(tmp_path, suffix)
    (tmp_path / f"m{suffix}").write_bytes(pickle.dumps(Payload(canary)))
    assert 'model "m" is not pinned in models.lock' in refusal(tmp_path, locked=True)
    assert not canary.exists()


@pytest.mark.usefixtures("in_place")
@pytest.mark.parametrize("suffix", SLOTS)
def test_a_payload_in_the_place_of_a_pinned_model_is_not_opened(suffix: str, tmp_path: Path, canary: Path) -> None:
    """At a start, by any command; the lock may be of whatever was there before."""
    write_spec(tmp_path, ".pkl")
    joblib.dump(DecisionTreeClassifier(max_depth=2).fit(X, y), tmp_path / "m.pkl")
    assert 0 == run_here("lock", cwd=tmp_path).returncode
    write_spec(tmp_path, suffix)
    (tmp_path / f"m{suffix}").write_bytes(pickle.dumps(Payload(canary)))
    said = [refusal(tmp_path, locked=locked) for locked in (True, False)]
    for words in (("check",), ("call", "POST", "/p", "-d", BODY)):
        done = run_here(*words, cwd=tmp_path)
        assert 1 == done.returncode
        said.append(done.stderr)
    assert all("the file differs from its pin" in one or "this file is pinned as pickle" in one for one in said), said
    assert not canary.exists()


@pytest.mark.parametrize("arguments", [(), ("--locked",)], ids=" ".join)
def test_serve_ends_before_it_opens_a_payload(arguments: tuple[str, ...], tmp_path: Path, canary: Path) -> None:
    """In processes of its own, as anybody starts it; the pin is of another file."""
    write_spec(tmp_path, ".pkl")
    pin = {"sha256": hashlib.sha256(b"another").hexdigest(), "format": "pickle", "libraries": {}, "golden": []}
    (tmp_path / "models.lock").write_text(json.dumps({"version": 1, "models": {"m": pin}}))
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(Payload(canary)))
    done = run("serve", "-p", "0", *arguments, cwd=tmp_path)
    assert (1, True) == (done.returncode, "the file differs from its pin" in done.stderr), done.stderr
    assert not canary.exists()


@pytest.mark.usefixtures("in_place")
@pytest.mark.parametrize("suffix", [".skops", ".onnx"])
def test_a_pickle_by_another_name_is_no_pickle(suffix: str, tmp_path: Path, canary: Path) -> None:
    """Even where nothing is pinned: a format follows from the name."""
    write_spec(tmp_path, suffix)
    (tmp_path / f"m{suffix}").write_bytes(pickle.dumps(Payload(canary)))
    assert "models.yaml:1:20: error: " in refusal(tmp_path, locked=False)
    assert not canary.exists()


def test_a_payload_that_appears_while_serving_is_not_opened(
    tmp_path: Path, canary: Path, serve_here: Callable[..., Server]
) -> None:
    write_spec(tmp_path, ".pkl")
    joblib.dump(DecisionTreeClassifier(max_depth=2).fit(X, y), tmp_path / "m.pkl")
    server = serve_here()
    replace_file(tmp_path / "m.pkl", pickle.dumps(Payload(canary)))
    status = server.wait_until(lambda status: status["degraded"])
    assert "the file differs from its pin" in status["degraded"][0]
    assert 200 == server.request("POST", "/p", body=BODY)[0]
    assert not canary.exists()
    subprocess.run(command("lock"), cwd=tmp_path, check=False, capture_output=True)  # who accepts it runs it
    assert canary.exists()
