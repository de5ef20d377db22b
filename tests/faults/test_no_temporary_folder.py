"""Temporary folders that are full, missing, or that run no code: compiled models are served all the same."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import joblib
import pytest
from modelling import ROW, X, y
from serving import command, serving
from sklearn.ensemble import RandomForestClassifier

BODY = "[5.9, 3.0, 5.1, 1.8]"
ANSWER = (200, b'{"result":[2]}\n')
NO_FOLDER = "import tempfile\ntempfile.tempdir = '/dev/null/none'\n"
NO_MEMORY_FILES = "import os\ndel os.memfd_create\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("ENGINE_CACHE_DIR")
    joblib.dump(RandomForestClassifier(5, random_state=0).fit(X, y), tmp_path / "m.pkl")
    (tmp_path / "routes.yaml").write_text("routes: [{path: /p, model: m}]")
    (tmp_path / "models.yaml").write_text(json.dumps({"models": {"m": {"file": "m.pkl", "input": ROW}}}))
    return tmp_path


@pytest.fixture
def lacking(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Take something from every Python process that is started from now on."""

    def take(code: str) -> None:
        site = tmp_path_factory.mktemp("site")
        (site / "sitecustomize.py").write_text(code)
        monkeypatch.setenv("PYTHONPATH", str(site))

    return take


def run(folder: Path, *arguments: str, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    line = [*prefix, *command(*arguments)]
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


def test_workers_are_replaced_without_a_temporary_folder(folder: Path, lacking: Callable[[str], None]) -> None:
    assert 0 == run(folder, "compile").returncode
    lacking(NO_FOLDER)
    with serving(folder, "-w", "1") as server:
        assert "native" == server.status()["models"][0]["runtime"]
        for _ in range(3):
            assert ANSWER == server.request("POST", "/p", body=BODY)[::2]
            (pid,) = server.workers()
            os.kill(pid, signal.SIGKILL)
            server.wait_until(lambda status, pid=pid: [worker["pid"] for worker in status["workers"]] != [pid])
        assert not [line for line in server.lines if "Traceback" in line]


def test_where_no_code_can_be_loaded_numpy_serves_and_this_is_said(
    folder: Path, lacking: Callable[[str], None]
) -> None:
    """In the lines at the start, in the log of the worker, in the status and by check; what is answered is the same."""
    assert 0 == run(folder, "compile").returncode
    lacking(NO_FOLDER + NO_MEMORY_FILES)
    said = "the trees in C cannot be loaded here ("
    with serving(folder, "-w", "1") as server:
        assert ANSWER == server.request("POST", "/p", body=BODY)[::2]
        assert "numpy" == server.status()["models"][0]["runtime"]
        assert any(f"WARNING m: {said}" in line for line in server.lines), server.lines
        assert any(f"numpy: {said}" in line for line in server.lines), server.lines
    checked = run(folder, "check")
    assert (0, "", True) == (checked.returncode, checked.stderr, f"numpy: {said}" in checked.stdout)


def test_a_model_is_compiled_without_a_temporary_folder(folder: Path, lacking: Callable[[str], None]) -> None:
    """The C compiler needs one, and is done without."""
    lacking(NO_FOLDER)
    done = run(folder, "compile", "--json")
    assert (0, "") == (done.returncode, done.stderr)
    (model,) = json.loads(done.stdout)["models"]
    trials = {trial["candidate"]: trial["verdict"] for trial in model["report"]["trials"]}
    assert ("failed", "exact", "onnx") == (
        trials["trees in C"],
        trials["trees in onnxruntime"],
        model["report"]["runtime"],
    )


def test_no_place_for_a_cache_anywhere_costs_only_time(folder: Path, lacking: Callable[[str], None]) -> None:
    (folder / ".engine").write_text("no folder")
    lacking(NO_FOLDER)
    with serving(folder, "-w", "1") as server:
        assert ANSWER == server.request("POST", "/p", body=BODY)[::2]
        assert not [line for line in server.lines if "Traceback" in line]


def test_a_temporary_folder_that_runs_no_code_is_not_needed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real one, mounted so for these processes alone."""
    (folder / "tmp").mkdir()
    mount = "mount -t tmpfs -o noexec tmpfs tmp"
    unshare = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", f'{mount} && exec "$@"', "sh")
    if shutil.which("unshare") is None or subprocess.run([*unshare, "true"], cwd=folder, check=False).returncode:
        pytest.skip("this user cannot mount a disk")
    monkeypatch.setenv("TMPDIR", str(folder / "tmp"))
    done = run(folder, "check", "--json", prefix=unshare)
    assert (0, "") == (done.returncode, done.stderr)
    (model,) = json.loads(done.stdout)["models"]
    assert ("native", "") == (model["report"]["runtime"], model["report"]["instead"])
