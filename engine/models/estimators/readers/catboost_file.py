"""Files of CatBoost's own `save_model`, which contain no code."""

from __future__ import annotations

from typing import Any

from engine.spec import FileModel

_CLASSES = ("CrossEntropy", "Focal", "Logloss", "Multi")
_NUMBERS = ("MultiRMSE", "MultiRMSEWithMissingValues")
_RANKS = ("LambdaMart", "PairLogit", "QueryRMSE", "QuerySoftMax", "StochasticFilter", "StochasticRank", "YetiRank")


def read(data: bytes, model: FileModel) -> Any:
    """Read the estimator that suits the loss in a file's bytes; raise `SpecError` if catboost is not installed."""
    try:
        import catboost  # noqa: PLC0415
    except ImportError:
        raise model.error("a .cbm file needs catboost: pip install catboost", "file") from None
    loss = str(catboost.CatBoost().load_model(blob=data).get_all_params().get("loss_function", ""))
    if loss.startswith(_CLASSES) and loss not in _NUMBERS:
        estimator = catboost.CatBoostClassifier()
    else:
        estimator = catboost.CatBoostRanker() if loss.startswith(_RANKS) else catboost.CatBoostRegressor()
    return estimator.load_model(blob=data)
