"""Files of CatBoost's own `save_model`, which contain no code."""

from __future__ import annotations

from typing import Any

from engine.models.estimators.readers.lacking_library import lacks_library
from engine.schema import show
from engine.spec import FileModel
from engine.text import join_words

_ESTIMATORS = ("CatBoost", "CatBoostClassifier", "CatBoostRegressor", "CatBoostRanker")
_CLASSES = ("CrossEntropy", "Focal", "Logloss", "Multi")
_NUMBERS = ("MultiRMSE", "MultiRMSEWithMissingValues")
_RANKS = ("LambdaMart", "PairLogit", "QueryRMSE", "QuerySoftMax", "StochasticFilter", "StochasticRank", "YetiRank")


def read(data: bytes, model: FileModel) -> Any:
    """Read the estimator that suits the loss in a file's bytes; raise `SpecError` if catboost is not installed."""
    try:
        import catboost  # noqa: PLC0415
    except ImportError as error:
        raise lacks_library(model, "a .cbm", "catboost", error) from None
    if model.model_folder is not None and (named := model.model_folder.class_name):
        return _read_as(catboost, named, data, model)
    loss = str(catboost.CatBoost().load_model(blob=data).get_all_params().get("loss_function", ""))
    if loss.startswith(_CLASSES) and loss not in _NUMBERS:
        estimator = catboost.CatBoostClassifier()
    else:
        estimator = catboost.CatBoostRanker() if loss.startswith(_RANKS) else catboost.CatBoostRegressor()
    return estimator.load_model(blob=data)


def _read_as(catboost: Any, named: str, data: bytes, model: FileModel) -> Any:
    """Read the class that a model folder names; raise `SpecError` for any other than CatBoost's estimators."""
    if named not in _ESTIMATORS:
        message = f"the model's folder names the class {show(named)} of CatBoost, and those that can be read are "
        raise model.error(f"{message}{join_words(_ESTIMATORS, 'and')}", "file")
    return getattr(catboost, named)().load_model(blob=data)
