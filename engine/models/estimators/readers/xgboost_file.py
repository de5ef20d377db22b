"""Files of XGBoost's own `save_model`, in binary JSON or in JSON: they contain no code."""

from __future__ import annotations

import json
from typing import Any

from engine.schema import show
from engine.spec import FileModel

_LFS = b"version https://git-lfs"
_CLASSES = ("binary:logistic", "multi:")
_ESTIMATORS = ("XGBClassifier", "XGBRegressor", "XGBRanker", "XGBRFClassifier", "XGBRFRegressor")


def read(data: bytes, model: FileModel) -> Any:
    """Read the estimator that suits the objective in a file's bytes; raise `SpecError` if xgboost is not installed."""
    try:
        import xgboost  # noqa: PLC0415
    except ImportError:
        raise model.error("an .ubj or .json file needs xgboost: pip install xgboost", "file") from None
    if data and not data.startswith((b"{", _LFS)):
        raise model.error(
            "the file is in XGBoost's old binary format, or damaged; open it with the XGBoost that saved it, and save "
            "it as .ubj or .json",
            "file",
        )
    booster = xgboost.Booster()
    booster.load_model(bytearray(data))
    if (named := _named_class(model)) is not None:
        estimator = getattr(xgboost, named)()
        estimator.load_model(bytearray(data))
        return estimator
    objective = json.loads(booster.save_config())["learner"]["objective"]["name"]
    if objective.startswith(_CLASSES):
        estimator = xgboost.XGBClassifier()
    else:
        estimator = xgboost.XGBRanker() if objective.startswith("rank:") else xgboost.XGBRegressor()
    estimator.load_model(bytearray(data))
    return estimator


def _named_class(model: FileModel) -> str | None:
    """Return the class that a model folder names; a booster there answers with numbers, as a regressor does."""
    if model.model_folder is None:
        return None
    named = model.model_folder.class_name
    if named not in (*_ESTIMATORS, "Booster"):
        raise model.error(
            f"the model's folder names the class {show(named)} of XGBoost, and those that can be read are "
            f"{', '.join(_ESTIMATORS)} and Booster",
            "file",
        )
    return "XGBRegressor" if named == "Booster" else named
