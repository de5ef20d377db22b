"""compile: a model's file → a `Predictor`. The only folder that imports scikit-learn and its kin."""

from engine.models.compile import compile_models
from engine.models.predictor import Facts, Prediction, Predictor

__all__ = ["Facts", "Prediction", "Predictor", "compile_models"]
