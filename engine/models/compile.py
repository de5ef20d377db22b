"""Every model of a spec, loaded, compared with what the spec says of it, and tried on its examples."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from engine.errors import Diagnostic, RefusedInstance, SpecError
from engine.spec import Example, Model, Spec
from engine.validation import show

if TYPE_CHECKING:
    from engine.models.artifacts import Artifacts
    from engine.models.predictor import Predictor

RELATIVE_TOLERANCE = 1e-6


def compile_models(spec: Spec) -> Mapping[str, Predictor]:
    """Make every model of the spec ready to answer.

    Raises `SpecError` with every mistake found, at the places of the keys they are about. A model that is
    named twice is loaded once.
    """
    if not spec.models:
        return {}
    from engine.models.artifacts import Artifacts  # noqa: PLC0415 - a spec without models needs no scikit-learn

    artifacts = Artifacts()
    predictors: dict[str, Predictor] = {}
    found: list[Diagnostic] = []
    for name, model in spec.models.items():
        try:
            predictors[name] = _compile(model, artifacts)
        except SpecError as error:
            found += error.diagnostics
    if found:
        raise SpecError([*found, *spec.warnings])
    return predictors


def _compile(model: Model, artifacts: Artifacts) -> Predictor:
    from engine.models.estimator import Estimator  # noqa: PLC0415 - see compile_models

    predictor = Estimator(model, artifacts.open(model))
    mistakes = [found for example in model.examples for found in _try(example, predictor)]
    if mistakes:
        raise SpecError(mistakes)
    return predictor


def _try(example: Example, predictor: Predictor) -> list[Diagnostic]:
    """Run an example; a model that fails on it is as wrong as one that answers otherwise."""
    try:
        result = predictor([example.input]).result[0]
    except RefusedInstance as refused:
        return [Diagnostic(example.place("input"), refused.reason)]
    except Exception as error:  # noqa: BLE001 - an estimator may raise anything
        message = f"the model fails on this example: {type(error).__name__}: {error}"
        return [Diagnostic(example.place("input"), message)]
    if _same(example.result, result):
        return []
    return [Diagnostic(example.place("result"), f"the model answers {show(result)}, not {show(example.result)}")]


def _same(expected: Any, actual: Any) -> bool:
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(_same, expected, actual))
    if isinstance(expected, bool) or isinstance(actual, bool):
        return expected is actual
    if isinstance(expected, float) or isinstance(actual, float):
        numbers = isinstance(expected, int | float) and isinstance(actual, int | float)
        return numbers and math.isclose(expected, actual, rel_tol=RELATIVE_TOLERANCE, abs_tol=1e-12)
    return bool(expected == actual)
