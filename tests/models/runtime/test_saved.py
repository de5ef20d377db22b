"""Programs are saved by the classes of their steps; a step that cannot be saved is found at once."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from dataclasses import dataclass

import joblib
import numpy as np
import pytest
from modelling import X, y
from sklearn.linear_model import LinearRegression

from engine import create_app
from engine.models.proving import candidates
from engine.models.runtime import steps as s
from engine.models.runtime.program import Program, dump_program, load_program
from engine.models.runtime.saved import SAVED


@dataclass(frozen=True)
class Forgotten:
    """A step without the decorator."""

    def __call__(self, rows: object) -> object:
        return rows


def test_every_class_of_steps_is_saved() -> None:
    modules = [importlib.import_module(f"{s.__name__}.{found.name}") for found in pkgutil.iter_modules(s.__path__)]
    classes = {
        found
        for module in modules
        for _, found in inspect.getmembers(module, inspect.isclass)
        if found.__module__ == module.__name__ and "__call__" in vars(found)
    }
    assert len(classes) > 40
    assert {found.__name__ for found in classes if SAVED.get(found.__name__) is not found} == set()


def test_a_step_that_cannot_be_saved_is_no_failed_candidate(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or scikit-learn would serve in silence where a decorator was forgotten."""
    program = Program((Forgotten(),), (s.Pick(0),))
    with pytest.raises(TypeError, match="Forgotten cannot be saved in a program: write @saved_step above its class"):
        dump_program(program)
    monkeypatch.setattr(candidates, "CANDIDATES", {"arrays": ("numpy", lambda _: program)})
    monkeypatch.setenv("ENGINE_CACHE_DIR", str(tmp_path / "cache"))
    joblib.dump(LinearRegression().fit(X, y), tmp_path / "m.pkl")
    (tmp_path / "models.yaml").write_text(
        "models: {m: {file: m.pkl, input: {type: array, items: {type: number}, minItems: 4, maxItems: 4}}}"
    )
    (tmp_path / "routes.yaml").write_text("routes: [{path: /, model: m}]")
    with pytest.raises(TypeError, match="@saved_step"):
        create_app(tmp_path / "routes.yaml")


def test_a_program_that_was_saved_computes_the_same() -> None:
    program = Program((s.Dot(2 * np.eye(3)), s.Clip(0.0, 9.0)), ())
    rows = np.arange(9.0).reshape(3, 3)
    assert [[0, 2, 4], [6, 8, 9], [9, 9, 9]] == program(rows).result == load_program(dump_program(program))(rows).result
