"""A model's own deployment takes updates: what they do not concern is not loaded again, and what was before is kept."""

from __future__ import annotations

import asyncio
import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from engine.server.checking import SpecSource, check_spec

X = np.random.default_rng(0).normal(size=(50, 2))
MODELS = """\
models:
  near:
    file: near.pkl
    input: {type: array, items: {type: number}, minItems: 2, maxItems: 2}
    scale: {min: 1}
"""


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import the module without Ray, which is in another environment."""
    for name in ("ray", "ray.exceptions", "ray.experimental", "ray.serve", "ray.serve.exceptions", "ray.serve.handle"):
        stub = ModuleType(name)
        for word in ("RayActorError", "TaskCancelledError", "BackPressureError", "DeploymentUnavailableError"):
            setattr(stub, word, type(word, (Exception,), {}))
        stub.internal_kv = stub.DeploymentHandle = None  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, name, stub)
    for name in ("remote_models", "asking", "snapshots", "store"):
        monkeypatch.delitem(sys.modules, f"engine.ray.{name}", raising=False)
    module = importlib.import_module("engine.ray.remote_models")
    monkeypatch.setattr(module, "begin_replica", lambda: None)
    return module


def snapshot(folder: Path, path: str, neighbours: int) -> bytes:
    joblib.dump(KNeighborsClassifier(neighbours).fit(X, X[:, 0] > 0), folder / "near.pkl")
    (folder / "routes.yaml").write_text(f"routes: [{{path: {path}, model: near}}]\n")
    (folder / "models.yaml").write_text(MODELS)
    (folder / "models.lock").unlink(missing_ok=True)
    checked = check_spec(SpecSource(str(folder / "routes.yaml"), None)).snapshot
    assert checked is not None
    return checked


def test_an_unchanged_model_is_not_loaded_again(module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    payloads = [snapshot(tmp_path, "/a", 1), snapshot(tmp_path, "/b", 1), snapshot(tmp_path, "/b", 3)]
    taken = iter(payloads)
    monkeypatch.setattr(module, "read_snapshot", lambda *_: next(taken))
    loaded: list[object] = []
    restore = module.restore_models
    monkeypatch.setattr(module, "restore_models", lambda *given: (loaded.append(given), restore(*given))[1])

    async def update() -> list[int]:
        model = module.RemoteModel("service", "near", 2)
        counts = []
        for number in range(len(payloads)):
            stored = {"sha256": "", "generation": number, "pieces": 1, "engine": "", "code": "", "python": ""}
            await model.reconfigure(stored)
            counts.append(len(loaded))
        assert 2 == len(model._runtimes)
        return counts

    assert [1, 1, 2] == asyncio.run(update())
