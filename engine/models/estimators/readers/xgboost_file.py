"""Files of XGBoost's own `save_model`, in binary JSON or in JSON: they contain no code."""

from __future__ import annotations

import json
from typing import Any

from engine.spec import FileModel

_CLASSES = ("binary:logistic", "multi:")


def read(data: bytes, model: FileModel) -> Any:
    """Read the estimator that suits the objective in a file's bytes; raise `SpecError` if xgboost is not installed."""
    try:
        import xgboost  # noqa: PLC0415
    except ImportError:
        raise model.error("an .ubj or .json file needs xgboost: pip install xgboost", "file") from None
    booster = xgboost.Booster()
    booster.load_model(bytearray(data))
    objective = json.loads(booster.save_config())["learner"]["objective"]["name"]
    if objective.startswith(_CLASSES):
        estimator = xgboost.XGBClassifier()
    else:
        estimator = xgboost.XGBRanker() if objective.startswith("rank:") else xgboost.XGBRegressor()
    estimator.load_model(bytearray(data))
    return estimator
