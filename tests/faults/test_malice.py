"""Model files that would run code: where nothing but pins is trusted, they never do; no format is guessed."""

from __future__ import annotations

import os
import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path

import joblib
import pytest
from modelling import X, y
from serving import Server, command, replace_file
from sklearn.tree import DecisionTreeClassifier

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


def serve_in(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    line = command("serve", "-p", "0", *arguments)
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("suffix", SLOTS)
def test_what_is_not_pinned_is_not_opened(suffix: str, tmp_path: Path, canary: Path) -> None:
    write_spec(tmp_path, suffix)
    (tmp_path / f"m{suffix}").write_bytes(pickle.dumps(Payload(canary)))
    done = serve_in(tmp_path, "--locked")
    assert (1, True) == (done.returncode, 'model "m" is not pinned in models.lock' in done.stderr)
    assert not canary.exists()


@pytest.mark.parametrize("suffix", SLOTS)
def test_a_payload_in_the_place_of_a_pinned_model_is_not_opened(suffix: str, tmp_path: Path, canary: Path) -> None:
    """At a start, by any command; the lock may be of whatever was there before."""
    write_spec(tmp_path, ".pkl")
    joblib.dump(DecisionTreeClassifier(max_depth=2).fit(X, y), tmp_path / "m.pkl")
    subprocess.run(command("lock"), cwd=tmp_path, check=True, capture_output=True)
    write_spec(tmp_path, suffix)
    (tmp_path / f"m{suffix}").write_bytes(pickle.dumps(Payload(canary)))
    for words in (
        ("serve", "--locked", "-p", "0"),
        ("serve", "-p", "0"),
        ("check",),
        ("call", "POST", "/p", "-d", BODY),
    ):
        line = command(*words)
        done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
        assert 1 == done.returncode
        assert "the file differs from its pin" in done.stderr or "this file is pinned as pickle" in done.stderr
    assert not canary.exists()


@pytest.mark.parametrize("suffix", [".skops", ".onnx"])
def test_a_pickle_by_another_name_is_no_pickle(suffix: str, tmp_path: Path, canary: Path) -> None:
    """Even where nothing is pinned: a format follows from the name."""
    write_spec(tmp_path, suffix)
    (tmp_path / f"m{suffix}").write_bytes(pickle.dumps(Payload(canary)))
    done = serve_in(tmp_path)
    assert (1, True) == (done.returncode, "models.yaml:1:20: error: " in done.stderr), done.stderr
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
