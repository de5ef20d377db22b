"""Files of CatBoost's own `save_model`, which contain no code."""

from __future__ import annotations

from typing import Any

from engine.models.estimators.readers.folder_class import require_class
from engine.models.estimators.readers.lacking_library import lacks_library
from engine.spec import FileModel

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
        require_class(model, named, _ESTIMATORS, "CatBoost")
        return getattr(catboost, named)().load_model(blob=data)
    loss = str(catboost.CatBoost().load_model(blob=data).get_all_params().get("loss_function", ""))
    if loss.startswith(_CLASSES) and loss not in _NUMBERS:
        estimator = catboost.CatBoostClassifier()
    else:
        estimator = catboost.CatBoostRanker() if loss.startswith(_RANKS) else catboost.CatBoostRegressor()
    return estimator.load_model(blob=data)
