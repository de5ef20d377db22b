"""A service with one model of each form of input, for tests of wire protocols."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from modelling import FRAME, NAMES, TEXTS, y
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

SPECIES = ("setosa", "versicolor", "virginica")
MOST = 7.9  # the largest sepal_length, which float32 does not hold exactly
PEOPLE = pd.DataFrame(
    {
        "plan": ["a", "b", "a", "b"],
        "age": [20, 30, 40, 50],
        "score": [0.5, np.nan, 1.5, 2.0],
        "member": [True, False] * 2,
    }
)
LONE = np.array([[1.0], [2.0], [3.0]])


def write_wire_service(folder: Path, service: dict[str, Any]) -> None:
    """Train and save the models, and write the spec: `species`, `same`, `line`, `mood` and `people`."""
    measures = {name: {"type": "number", "minimum": 0, "maximum": MOST} for name in NAMES}
    species = {"type": "object", "required": list(NAMES), "properties": measures}
    people = {
        "type": "object",
        "required": ["plan", "age", "member"],
        "properties": {
            "plan": {"enum": ["a", "b"]},
            "age": {"type": "integer", "minimum": 0, "maximum": 120},
            "score": {"type": "number"},
            "member": {"type": "boolean"},
        },
    }
    row = {"type": "array", "minItems": 3, "maxItems": 3, "items": {"type": "number"}}
    estimators = {
        "species": (RandomForestClassifier(10, random_state=0).fit(FRAME, y), species, _worded()),
        "same": (StandardScaler(with_mean=False, with_std=False).fit(np.eye(3)), row, {"response_method": "transform"}),
        "line": (LinearRegression().fit(LONE, [1.5, 2.5, 3.5]), {"type": "number"}, {}),
        "mood": (_mood(), {"type": "string"}, {}),
        "people": (_people(), people, {"output": {"probabilities": True}}),
    }
    models = {}
    for name, (estimator, schema, keys) in estimators.items():
        joblib.dump(estimator, folder / f"{name}.pkl")
        models[name] = {"file": f"{name}.pkl", "input": schema, **keys}
    (folder / "models.yaml").write_text(json.dumps({"models": models}, indent=1))
    routes = [{"path": f"/{name}", "model": name} for name in models]
    (folder / "routes.yaml").write_text(json.dumps({"service": service, "routes": routes}, indent=1))


def _worded() -> dict[str, Any]:
    return {"output": {"labels": list(SPECIES), "probabilities": True}}


def _mood() -> Any:
    return make_pipeline(CountVectorizer(), LogisticRegression()).fit(TEXTS, ["good", "bad"] * 2 + ["good", "bad"])


def _people() -> Any:
    columns = make_column_transformer(
        (OneHotEncoder(), ["plan"]), (SimpleImputer(), ["age", "score"]), ("passthrough", ["member"])
    )
    return make_pipeline(columns, LogisticRegression()).fit(PEOPLE, ["stays", "stays", "goes", "goes"])
