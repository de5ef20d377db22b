"""Minutes of load with a change every few seconds: files, threads and memory stay where they were."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import joblib
import pytest
from serving import Clients, Server, replace_file, status_of
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier

# It measures seconds or memory that others would take from it.
pytestmark = pytest.mark.alone

LONG_SECONDS = float(os.environ.get("ENGINE_SOAK_SECONDS", "300"))
SHORT_SECONDS = 12.0
WARM_UP_RELOADS = 4
GROWTH_MIB = 24
INSTANCE = json.dumps([5.9, 3.0, 5.1, 1.8])


def measure(server: Server) -> dict[str, float]:
    """Open files, threads and MiB of all processes of the service."""
    pids = [server.process.pid, *server.workers()]
    return {
        "files": sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids),
        "threads": sum(status_of(pid, "Threads") for pid in pids),
        "MiB": sum(status_of(pid, "VmRSS") for pid in pids) / 1024,
    }


@pytest.mark.parametrize(
    ("seconds", "every"), [(SHORT_SECONDS, 1.0), pytest.param(LONG_SECONDS, 5.0, marks=pytest.mark.soak)]
)
def test_load_and_changes(seconds: float, every: float, tmp_path: Path, serve_here: Callable[..., Server]) -> None:
    def write(number: int) -> None:
        text = f"{number} {'x' * 2000} {number}"
        routes = [{"path": "/", "response": {"text": text}}, {"path": "/predict", "model": "iris"}]
        replace_file(tmp_path / "routes.yaml", json.dumps({"routes": routes}).encode())

    def judge(status: int, _headers: dict[str, str], body: bytes) -> str:
        found = re.fullmatch(rb"(\d+) x{2000} (\d+)", body)
        return "" if status == 200 and found and found[1] == found[2] else f"{status} {body[:50]!r}"

    joblib.dump(RandomForestClassifier(50, random_state=0).fit(*load_iris(return_X_y=True)), tmp_path / "model.pkl")
    schema = {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4}
    write(0)
    (tmp_path / "models.yaml").write_text(json.dumps({"models": {"iris": {"file": "model.pkl", "input": schema}}}))
    server = serve_here()
    pids = server.workers()
    with Clients(server, 4, judge, pause=0) as clients:
        deadline = time.monotonic() + seconds
        before: dict[str, float] = {}
        generation = 1
        while time.monotonic() < deadline:
            begin = time.monotonic()
            generation += 1
            write(generation)
            server.wait_for_generation(generation)
            assert (200, b'{"result":[2]}\n') == server.request("POST", "/predict", body=INSTANCE)[::2]
            if generation == WARM_UP_RELOADS:
                before = measure(server)
            time.sleep(max(0.0, every - (time.monotonic() - begin)))
        after = measure(server)
    assert not clients.wrong
    assert pids == server.workers()
    assert after["files"] - before["files"] < 20, (before, after)
    assert after["threads"] - before["threads"] < 20, (before, after)
    assert after["MiB"] - before["MiB"] < GROWTH_MIB, (before, after)
