"""What commands and services do outside of themselves, seen from below Python.

They connect to nobody. They write into the cache, the lock, the files that they were asked to write, and temporary
files that are gone in the end.
"""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import joblib
import numpy as np
import pytest
import skops.io
from modelling import X, y
from serving import Server, command, replace_file, serving
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from tracing import Surroundings, network_calls, require_tracing, surroundings, tracing, written

FORMATS = ("pkl", "joblib", "skops", "onnx")
ROUTES = "routes: [{path: /, response: hi}, %s]"
INPUT = "input: {type: array, items: {type: number}, minItems: 4, maxItems: 4}"
BODY = "[5.9, 3.0, 5.1, 1.8]"
COMMAND_SECONDS = 120
# onnxruntime's uploader looks its vendor up 9 seconds after it was loaded.
SECONDS_TO_WAIT = 11


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model file of each format."""
    require_tracing()
    folder = tmp_path_factory.mktemp("models")
    (folder / "m.pkl").write_bytes(pickle.dumps(DecisionTreeClassifier(max_depth=2).fit(X, y)))
    joblib.dump(LogisticRegression(max_iter=1000).fit(X, y), folder / "m.joblib")
    skops.io.dump(make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y), folder / "m.skops")
    graph = to_onnx(LogisticRegression(max_iter=1000).fit(X, y), X[:1].astype(np.float32), options={"zipmap": False})
    (folder / "m.onnx").write_bytes(graph.SerializeToString())
    return folder


def write_spec(folder: Path, models: Path) -> None:
    shutil.copytree(models, folder, dirs_exist_ok=True)
    (folder / "routes.yaml").write_text(ROUTES % ", ".join(f"{{path: /{one}, model: {one}}}" for one in FORMATS))
    # Two of them are computed by scikit-learn, which a worker imports only for such models.
    runtimes = {"joblib": "sklearn", "skops": "sklearn"}
    entries = [f"{one}: {{file: m.{one}, runtime: {runtimes.get(one, 'auto')}, {INPUT}}}" for one in FORMATS]
    (folder / "models.yaml").write_text(f"models: {{{', '.join(entries)}}}")


def run(line: list[str], folder: Path, around: Surroundings, trace: Path) -> None:
    done = subprocess.run(
        [*tracing(trace), *line],
        cwd=folder,
        env=around.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=COMMAND_SECONDS,
    )
    assert 0 == done.returncode, done.stderr


def outside(trace: Path, folder: Path, around: Surroundings, own: tuple[str, ...]) -> list[str]:
    """What was written, or was about to be, that is neither a command's `own` nor temporary."""
    return sorted(str(path) for path in written(trace, folder) if not _is_own(path, folder, around, own))


def _is_own(path: Path, folder: Path, around: Surroundings, own: tuple[str, ...]) -> bool:
    if path.is_relative_to(around.temporary) or path.is_relative_to(folder / ".engine"):
        return True
    # tells the kernel to kill the process that opens models first when memory runs out
    if path == Path("/proc/self/oom_score_adj"):
        return True
    # multiprocessing's and joblib's semaphores, and the bytecode that Python keeps beside the modules it imports
    if str(path).startswith(("/dev/null", "/dev/tty", "/dev/shm/sem.")) or "__pycache__" in path.parts:
        return True
    # a file is written beside its place under a name of its own, and then moved there
    return path.parent == folder and any(path.name == name or path.name.startswith(f".{name}.") for name in own)


@contextmanager
def serving_traced(folder: Path, around: Surroundings, trace: Path) -> Iterator[Server]:
    with serving(folder, "-w", "1", under=tracing(trace), environment=around.environment()) as server:
        tracer = server.process.pid
        traced = int(Path(f"/proc/{tracer}/task/{tracer}/children").read_text())
        try:
            yield server
        finally:
            os.kill(traced, signal.SIGTERM)  # a tracer keeps signals to itself
            server.process.wait(30)


def test_commands_and_services_reach_nobody_and_write_only_what_is_theirs(models: Path, tmp_path: Path) -> None:
    """With a model of each format: `serve` with predictions and a reload, and the commands.

    They run side by side, because the service must be watched for a while.
    """
    served, checked = tmp_path / "served", tmp_path / "checked"
    around_service, around = surroundings(tmp_path / "service"), surroundings(tmp_path / "commands")
    write_spec(served, models)
    traces = {"serve": tmp_path / "serve.trace"}
    with serving_traced(served, around_service, traces["serve"]) as server:
        began = time.monotonic()
        ask(server)
        replace_file(served / "routes.yaml", (served / "routes.yaml").read_bytes().replace(b"hi", b"hello"))
        server.wait_until(lambda status: status["generation"] == 2)
        ask(server)
        write_spec(checked, models)
        for word in ("check", "compile", "lock"):
            traces[word] = tmp_path / f"{word}.trace"
            run(command(word), checked, around, traces[word])
        for one in set(FORMATS) - {"joblib"}:  # which is read as .pkl is
            traces[f"init {one}"] = tmp_path / f"init-{one}.trace"
            line = command("init", f"m.{one}", "-r", f"{one}-routes.yaml", "-m", f"{one}-models.yaml")
            run(line, checked, around, traces[f"init {one}"])
        time.sleep(max(0.0, began + SECONDS_TO_WAIT - time.monotonic()))
    # the port that the system chose, and again for the socket of a worker's successor
    listening = [("127.0.0.1", 0), ("127.0.0.1", server.port)]
    for word, trace in traces.items():
        folder, own = (served, ("models.lock",)) if word == "serve" else (checked, own_files(word))
        assert [] == network_calls(trace, listening if word == "serve" else ()), word
        assert [] == outside(trace, folder, around_service if word == "serve" else around, own), word
    assert ([], []) == (around.left(), around_service.left())


def own_files(word: str) -> tuple[str, ...]:
    kind = word.removeprefix("init ")
    return (
        ("models.lock",) if word == "lock" else (f"{kind}-routes.yaml", f"{kind}-models.yaml") if kind != word else ()
    )


def ask(server: Server) -> None:
    for one in FORMATS:
        assert 200 == server.request("POST", f"/{one}", body=BODY)[0]
    for path in ("/docs", "/openapi.json", "/metrics"):
        assert 200 == server.request("GET", path)[0]


REACHES_OUT = """
import os, pathlib, socket, subprocess, sys
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("127.0.0.1", 9))
pathlib.Path.home().joinpath("a").mkdir()
subprocess.run(["touch", "b"])
os.rename("b", "c")
"""


def test_the_trace_shows_whoever_reaches_out(tmp_path: Path) -> None:
    """What the test above relies on: also a child's calls, and a folder that is made."""
    require_tracing()
    around, trace = surroundings(tmp_path), tmp_path / "trace"
    line = [*tracing(trace), sys.executable, "-c", REACHES_OUT]
    subprocess.run(line, cwd=tmp_path, env=around.environment(), check=True, timeout=COMMAND_SECONDS)
    assert ["socket", "connect"] == [call.partition("(")[0] for call in network_calls(trace)]
    assert [str(tmp_path / name) for name in ("b", "c", "home/a")] == outside(trace, tmp_path, around, ())
    assert [str(tmp_path / "home" / "a")] == around.left()


@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_where_nothing_can_be_traced_the_tests_are_skipped_but_fail_in_ci(
    ci: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="strace is not installed"):
        require_tracing()
