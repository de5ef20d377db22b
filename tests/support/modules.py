"""Specs whose model refers to a module beside models.yaml, for tests of such modules."""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

# A regressor that answers `factor` times its first column; `helper` is another module, imported when it is called.
SCALE = """
from sklearn.base import BaseEstimator, RegressorMixin
{more}

class Scale(RegressorMixin, BaseEstimator):
    def fit(self, rows, y=None):
        self.n_features_in_ = 2
        return self

    def predict(self, rows):
        return rows[:, 0] * ({factor})
"""
INPUT = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
INSTANCE = "[1, 2]"


def write_spec(folder: Path, result: float | None = None, **keys: object) -> None:
    """Write a spec whose model must answer so to its example, if any."""
    examples = [{"input": [1, 2], "result": result}] if result is not None else []
    models = {"m": {"file": "m.pkl", "input": INPUT, "examples": examples, **keys}}
    folder.mkdir(exist_ok=True)
    (folder / "routes.yaml").write_text('{"routes": [{"path": "/m", "model": "m"}]}')
    (folder / "models.yaml").write_text(json.dumps({"models": models}))


def write_module(folder: Path, factor: object, more: str = "") -> None:
    """Write the module; `factor` is an expression."""
    (folder / "scale.py").write_text(SCALE.format(factor=factor, more=more))


def save_model(file: Path, **attributes: object) -> None:
    """Save an estimator of the class Scale by reference, as a training script beside the module does."""
    with stand_in("scale") as module:
        exec(SCALE.format(factor=0, more=""), vars(module))
        estimator = module.Scale().fit(None)
        vars(estimator).update(attributes)
        file.write_bytes(pickle.dumps(estimator))


@contextmanager
def stand_in(name: str) -> Iterator[ModuleType]:
    """Give an empty module that Python has under a name for a while."""
    module = sys.modules[name] = ModuleType(name)
    try:
        yield module
    finally:
        del sys.modules[name]
