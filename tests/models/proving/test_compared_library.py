"""People read which library a compiled model was compared with: that of its own class."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from catboost import CatBoostRegressor
from interpret.glassbox import ExplainableBoostingRegressor
from lightgbm import LGBMRegressor
from modelling import NUMBER, row
from serving import run_here
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor
from xgboost import XGBRegressor

from engine.isolation import Step
from engine.models import compile_models
from engine.spec import load_spec

X = np.random.default_rng(0).normal(size=(80, 2))
NUMBERS = X[:, 0] + X[:, 1]


def lightgbm() -> Any:
    return LGBMRegressor(n_estimators=3, n_jobs=1, verbose=-1)


def text_of(estimator: Any, file: Path) -> None:
    estimator.booster_.save_model(str(file))


def joblib_of(estimator: Any, file: Path) -> None:
    joblib.dump(estimator, file)


def own_of(estimator: Any, file: Path) -> None:
    estimator.save_model(str(file))


MODELS: Mapping[str, tuple[Callable[[], Any], str, Callable[[Any, Path], None], str]] = {
    "tree": (lambda: DecisionTreeRegressor(max_depth=2), "m.joblib", joblib_of, "scikit-learn"),
    "pipeline": (lambda: make_pipeline(StandardScaler(), lightgbm()), "m.joblib", joblib_of, "scikit-learn"),
    "lightgbm": (lightgbm, "m.joblib", joblib_of, "LightGBM"),
    "lightgbm text": (lightgbm, "m.txt", text_of, "LightGBM"),
    "xgboost": (lambda: XGBRegressor(n_estimators=3, n_jobs=1), "m.ubj", own_of, "XGBoost"),
    "catboost": (
        lambda: CatBoostRegressor(iterations=3, verbose=0, thread_count=1, allow_writing_files=False),
        "m.cbm",
        own_of,
        "CatBoost",
    ),
    "interpret": (lambda: ExplainableBoostingRegressor(n_jobs=1, max_rounds=3), "m.joblib", joblib_of, "InterpretML"),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_library_of_the_estimator_is_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make, file, save, library = MODELS[name]
    save(make().fit(X, NUMBERS), tmp_path / file)
    entry = {"file": file, "input": row(x1=NUMBER, x2=NUMBER)}
    (tmp_path / "models.yaml").write_text(json.dumps({"models": {"m": entry}}))
    (tmp_path / "routes.yaml").write_text('{"routes": [{"path": "/", "model": "m"}]}')
    steps: list[Step] = []
    predictors = compile_models(load_spec(tmp_path / "routes.yaml"), steps.append)
    assert f"computing {library}'s answers to the proof rows" in [step.doing for step in steps]
    assert library == predictors["m"].facts.report.library
    monkeypatch.chdir(tmp_path)
    shown = [line for line in run_here("compile").stdout.splitlines() if " sklearn " in line]
    assert [f"m {library} sklearn"] == [" ".join(line.split()[:3]) for line in shown]
