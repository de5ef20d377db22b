"""compile: a model's file → a `Predictor`. The only folder that imports scikit-learn and its kin."""

from engine.models.apart import compile_apart, writable_cache
from engine.models.compile import compile_models
from engine.models.predictor import Facts, Prediction, Predictor
from engine.models.report import Report

__all__ = ["Facts", "Prediction", "Predictor", "Report", "compile_apart", "compile_models", "writable_cache"]
