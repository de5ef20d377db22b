"""Files of LightGBM's own `save_model`: its text, which contains no code."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.models.data.array import Array
from engine.spec import FileModel

_CLASSES = ("binary", "multiclass", "multiclassova")


class LightGBMRegressor:
    """A booster with the methods of an estimator: its numbers."""

    def __init__(self, booster: Any) -> None:
        self.booster_ = booster
        self.n_features_in_ = booster.num_feature()
        self.feature_names_in_ = np.array(booster.feature_name(), object)

    def predict(self, rows: Any) -> Array:
        """Return a number for each row."""
        computed: Array = self.booster_.predict(rows)
        return computed


class LightGBMClassifier(LightGBMRegressor):
    """A booster with the methods of a classifier, whose classes are numbered: the text has no others."""

    def __init__(self, booster: Any) -> None:
        super().__init__(booster)
        self.classes_ = np.arange(max(booster.num_model_per_iteration(), 2))

    def predict_proba(self, rows: Any) -> Array:
        """Return the probability of each class."""
        chances = super().predict(rows)
        both: Array = chances if chances.ndim > 1 else np.column_stack([1.0 - chances, chances])
        return both

    def predict(self, rows: Any) -> Array:
        """Return the most probable class."""
        chosen: Array = self.classes_.take(self.predict_proba(rows).argmax(axis=1))
        return chosen


def read(data: bytes, model: FileModel) -> Any:
    """Read the estimator that suits the objective in a file's bytes; raise `SpecError` if lightgbm is not installed."""
    try:
        import lightgbm  # noqa: PLC0415
    except ImportError:
        raise model.error("a .txt file needs lightgbm: pip install lightgbm", "file") from None
    text = data.decode()
    booster = lightgbm.Booster(model_str=text, params={"verbose": -1})
    objective = next((line for line in text.splitlines() if line.startswith("objective=")), "objective=custom")
    # In a model folder, a booster answers with numbers, as it does for the library that wrote the folder.
    is_classifier = model.model_folder is None and objective.removeprefix("objective=").split()[0] in _CLASSES
    return LightGBMClassifier(booster) if is_classifier else LightGBMRegressor(booster)
