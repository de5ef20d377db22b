"""What tests of models share: iris, and how a mistake in a model is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier

from engine.errors import SpecError
from engine.models import Predictor

X, y = load_iris(return_X_y=True)
NAMES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
ROW = {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4}
OBJECT = {"type": "object", "required": list(NAMES), "properties": {name: {"type": "number"} for name in NAMES}}
TEXTS = ["good day", "bad day", "good night", "bad night", "such a good time", "what a bad time"]
FRAME = pd.DataFrame(X, columns=list(NAMES))
SPECIES = np.array(["setosa", "versicolor", "virginica"])

Serve = Callable[..., Predictor]


def write_tree_service(folder: Path) -> None:
    """Write a service whose model m is a small tree."""
    joblib.dump(DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, y), folder / "model.pkl")
    (folder / "routes.yaml").write_text('{"routes": [{"path": "/", "model": "m"}]}')
    (folder / "models.yaml").write_text(json.dumps({"models": {"m": {"file": "model.pkl", "input": OBJECT}}}))


def message(error: pytest.ExceptionInfo[SpecError]) -> str:
    (found,) = error.value.diagnostics
    return found.message


def place(error: pytest.ExceptionInfo[SpecError]) -> str:
    """The source text that the error underlines, to the end of its line."""
    (found,) = error.value.diagnostics
    return found.place.text[found.place.column - 1 :][: found.place.width]


NUMBER = {"type": "number"}


def row(unused: str = "", **properties: Any) -> dict[str, Any]:
    """The input of an object whose features are all required, but for one that the model does not use."""
    required = [name for name in properties if name != unused]
    return {"type": "object", **({"required": required} if required else {}), "properties": properties}


def unnamed(count: int) -> dict[str, Any]:
    return row(**{f"x{place}": NUMBER for place in range(1, count + 1)})
