"""A model is held to what it is known to answer: the examples of its spec, and the golden answers of its pin."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from engine.errors import Diagnostic, RefusedInstance, SpecError
from engine.models.predictor import Predictor
from engine.spec import Example, Model
from engine.validation import Validator, show

EXAMPLE_TOLERANCE = 1e-6
GOLDEN_TOLERANCE = 2e-5  # a compiled model may be close, instead of exact


def hold(examples: Iterable[Example], predictor: Predictor) -> None:
    """Run examples; raise `SpecError` with each that gets another result than its own."""
    if mistakes := [found for example in examples for found in _try(example, predictor, EXAMPLE_TOLERANCE)]:
        raise SpecError(mistakes)


def hold_golden(model: Model, golden: Sequence[Example], predictor: Predictor) -> None:
    """Run a pin's golden answers; raise `SpecError`, with one mistake for all that are no instances any more."""
    failed = [(example, found) for example in golden if (found := _try(example, predictor, GOLDEN_TOLERANCE))]
    validator = model.input.validator()
    reasons = [_unfit(example.input, validator, model) for example, _ in failed]
    mistakes = [one for (_, found), reason in zip(failed, reasons, strict=True) if not reason for one in found]
    if any(reasons) and model.pin is not None:
        why = next(filter(None, reasons))
        count = f"{sum(map(bool, reasons))} of the {len(golden)} pinned examples"
        message = f'{count} do not fit the input of "{model.name}" any more ({why})'
        mistakes.append(Diagnostic(model.pin.place("golden"), message))
    if mistakes:
        hint = f"; if that is right, accept it: {model.lock_command}"
        raise SpecError([replace(found, message=found.message + hint) for found in mistakes])


def _unfit(instance: Any, validator: Validator, model: Model) -> str:
    """Say why a golden instance is none of the model's input any more, or nothing."""
    violation = next(validator.violations(instance), None)
    if violation is not None:
        return violation.verdict
    properties = model.input.document.get("properties")
    unknown = [name for name in instance if name not in properties] if properties and isinstance(instance, dict) else []
    return f'"{unknown[0]}" is not among its properties' if unknown else ""


def _try(example: Example, predictor: Predictor, tolerance: float) -> list[Diagnostic]:
    """Run an example; a model that fails on it is as wrong as one that answers otherwise."""
    try:
        result = predictor([example.input]).result[0]
    except RefusedInstance as refused:
        return [Diagnostic(example.place("input"), refused.reason)]
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - an estimator may raise anything
        message = f"the model fails on this example: {type(error).__name__}: {error}"
        return [Diagnostic(example.place("input"), message)]
    if _same(example.result, result, tolerance):
        return []
    return [Diagnostic(example.place("result"), f"the model answers {show(result)}, not {show(example.result)}")]


def _same(expected: Any, actual: Any, tolerance: float) -> bool:
    if isinstance(expected, list) and isinstance(actual, list):
        pairs = zip(expected, actual, strict=False)
        return len(expected) == len(actual) and all(_same(one, other, tolerance) for one, other in pairs)
    if isinstance(expected, bool) or isinstance(actual, bool):
        return expected is actual
    if isinstance(expected, float) or isinstance(actual, float):
        numbers = isinstance(expected, int | float) and isinstance(actual, int | float)
        return numbers and math.isclose(expected, actual, rel_tol=tolerance, abs_tol=1e-12)
    return bool(expected == actual)
