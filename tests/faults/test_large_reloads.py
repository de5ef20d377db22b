"""Models of hundreds of megabytes are replaced again and again: no request fails, and memory comes back each time."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import joblib
import numpy as np
import pytest
from serving import Clients, Server, status_of
from sklearn.neighbors import KNeighborsRegressor

from engine.models.runtime import batching
from engine.server.checking import SpecSource, check_spec
from engine.server.http import Front
from engine.server.worker import Follower

MIB = 1024**2
COLUMNS = 64
SPEC = "routes: [{path: /, response: hi}, {path: /p, model: m}]"
RELOADS = int(os.environ.get("ENGINE_SOAK_RELOADS", "200"))
LARGE, SMALL = 500, 40
WARM_UP = 5
GROWTH = 64


def save(folder: Path, number: int, size: int) -> None:
    """Write a model of so many MiB that predicts its number, and accept it."""
    rows = size * MIB // (8 * COLUMNS)
    model = KNeighborsRegressor(1, algorithm="brute")
    model.fit(np.full((rows, COLUMNS), float(number)), np.full(rows, float(number)))
    joblib.dump(model, folder / "new")
    (folder / "models.lock").unlink(missing_ok=True)
    (folder / "new").replace(folder / "m.pkl")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    row = {"type": "array", "items": {"type": "number"}, "minItems": COLUMNS, "maxItems": COLUMNS}
    models = {"models": {"m": {"file": "m.pkl", "runtime": "sklearn", "input": row}}}
    (tmp_path / "routes.yaml").write_text(SPEC)
    (tmp_path / "models.yaml").write_text(json.dumps(models))
    return tmp_path


def memory(pid: int | str) -> float:
    return status_of(pid, "VmRSS") / 1024


def settled(pids: list[int]) -> list[float]:
    """The memory of each process once what was sent has arrived and models that are idle have been dropped."""
    least = [memory(pid) for pid in pids]
    deadline = time.monotonic() + 2 * batching.IDLE_SECONDS
    while time.monotonic() < deadline:
        time.sleep(0.5)
        least = [min(before, memory(pid)) for before, pid in zip(least, pids, strict=True)]
    return least


def test_a_worker_gives_back_the_memory_of_each_generation(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its models are gone, not left to a later collection of garbage, and so is what it was sent.

    The thread that calls a model keeps it until nobody has asked it for a while.
    """
    monkeypatch.setattr(batching, "IDLE_SECONDS", 0.01)
    ours, theirs = multiprocessing.Pipe()
    follower = Follower(theirs, Front(), lambda: None)
    sizes, models = [], []
    for number in range(1, 5):
        save(folder, number, SMALL)
        snapshot = check_spec(SpecSource("routes.yaml", None)).snapshot
        follower._follow((number, snapshot))
        del snapshot
        (predictor,) = follower._predictors.values()
        models.append(weakref.ref(predictor))
        sizes.append(memory("self"))
        del predictor
    ours.close()
    theirs.close()
    assert [True, True, True, False] == [model() is None for model in models]
    assert sizes[-1] - sizes[1] < SMALL / 2, sizes


@pytest.mark.soak
def test_200_reloads_of_500_megabytes(folder: Path, serve_here: Callable[..., Server]) -> None:
    save(folder, 1, LARGE)
    server = serve_here()
    server.wait_for_generation(1)
    pids = [server.process.pid, *server.workers()]
    with Clients(server, 2, lambda status, *_: "" if status == 200 else str(status)) as clients:
        for number in range(2, RELOADS + 2):
            save(folder, number, LARGE)
            server.wait_until(lambda status, number=number: has(status, number), 300)
            answer = server.request("POST", "/p", body=json.dumps([float(number)] * COLUMNS))
            assert (200, {"result": [number]}) == (answer[0], json.loads(answer[2]))
            if number == WARM_UP:
                before = settled(pids)
    after = settled(pids)
    assert not clients.wrong
    assert pids == [server.process.pid, *server.workers()]
    assert all(late - early < GROWTH for early, late in zip(before, after, strict=True)), (before, after)


def has(status: dict[str, object], number: int) -> bool:
    return all(worker["generation"] >= number for worker in status["workers"])
