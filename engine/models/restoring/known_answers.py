"""Check a model's known answers: the examples of its spec, and the golden answers of its pin."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from engine.diagnostics import Diagnostic
from engine.errors import RefusedInstance, SpecError
from engine.models.files.modules import raised_at
from engine.models.predictor import Predictor
from engine.models.runtime.class_names import key_of
from engine.schema import Validator, show
from engine.spec import Example, FileModel, Model

EXAMPLE_TOLERANCE = 1e-6
RECORDED_DIGITS = 9
GOLDEN_TOLERANCE = 2e-5  # a compiled model may be close, instead of exact


def hold_examples(model: Model, predictor: Predictor) -> None:
    """Run a model's examples; raise `SpecError` with each that has another result."""
    hint = f"; if the model is right, record its answer: {model.lock_command}" if model.lock_command else ""
    mistakes: list[Diagnostic] = []
    for example in model.examples:
        mistakes += _try(example, predictor, EXAMPLE_TOLERANCE, hint * example.recorded)
        mistakes += _try_label(example, predictor) if example.label is not None and not mistakes else ()
    if mistakes:
        raise SpecError(mistakes)


def renewed_results(model: FileModel, predictor: Predictor) -> dict[int, Any]:
    """Return the new results of recorded examples that the model now answers differently, by their places.

    An example without an answer is left as it is, and reported by `hold`.
    """
    answers = {
        place: own_answer(predictor, example.input)
        for place, example in enumerate(model.examples)
        if example.recorded and _try(example, predictor, EXAMPLE_TOLERANCE)
    }
    return {place: round_fraction(answer[0]) for place, answer in answers.items() if answer is not None}


def own_answer(predictor: Predictor, instance: Any) -> list[Any] | None:
    """Return the model's result in a list, or None if it refuses, fails or returns a value that JSON does not have."""
    try:
        result = predictor([instance]).result
        json.dumps(result, allow_nan=False)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - a model may raise anything
        return None
    return result


def round_fraction(result: Any) -> Any:
    """Round a fraction to the digits by which an example is compared, and some more."""
    if isinstance(result, list):
        return list(map(round_fraction, result))
    return float(f"{result:.{RECORDED_DIGITS}g}") if isinstance(result, float) else result


def hold_golden(model: FileModel, golden: Sequence[Example], predictor: Predictor) -> None:
    """Run a pin's golden answers; raise `SpecError`, with one mistake for all that are no longer instances."""
    hint = f"; if that is right, accept it: {model.lock_command}"
    tried = ((example, _try(example, predictor, GOLDEN_TOLERANCE, hint, hint)) for example in golden)
    failed = [(example, found) for example, found in tried if found]
    validator = model.input.validator()
    reasons = [_unfit(example.input, validator, model) for example, _ in failed]
    mistakes = [one for (_, found), reason in zip(failed, reasons, strict=True) if not reason for one in found]
    if any(reasons) and model.pin is not None:
        why = next(filter(None, reasons))
        count = f"{sum(map(bool, reasons))} of the {len(golden)} pinned examples"
        message = f'{count} no longer match the input of "{model.name}" ({why})'
        mistakes.append(Diagnostic(model.pin.place("golden"), message + hint))
    if mistakes:
        raise SpecError(mistakes)


def _unfit(instance: Any, validator: Validator, model: FileModel) -> str:
    """Say why a golden instance no longer matches the model's input; empty if it does."""
    violation = next(validator.violations(instance), None)
    if violation is not None:
        return violation.verdict
    properties = model.input.instance.properties
    unknown = [name for name in instance if name not in properties] if properties and isinstance(instance, dict) else []
    return f'"{unknown[0]}" is not one of its properties' if unknown else ""


def _try(
    example: Example, predictor: Predictor, tolerance: float, if_another: str = "", if_none: str = ""
) -> list[Diagnostic]:
    """Run an example; a model that fails on it is as wrong as one with another answer.

    The hints are for another answer, and for none unless a module beside models.yaml is to blame.
    """
    try:
        result = predictor([example.input]).result[0]
    except RefusedInstance as refused:
        return [Diagnostic(example.place("input"), refused.reason + if_none)]
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - an estimator may raise anything
        message = f"the model fails on this example: {type(error).__name__}: {error}"
        place = raised_at(error)
        hint = f", raised at {place}; correct that module" if place else if_none
        return [Diagnostic(example.place("input"), message + hint)]
    if _same(example.result, result, tolerance):
        return []
    said = f"the model answers {show(result)}, not {show(example.result)}"
    if example.recorded:
        said = f"the recorded result is {show(example.result)}, but the model answers {show(result)}"
    return [Diagnostic(example.place("result"), said + if_another)]


def _try_label(example: Example, predictor: Predictor) -> list[Diagnostic]:
    """Hold an example's label to that of the model, which is a class's own name if there are no labels."""
    found = predictor([example.input])
    label = found.labels[0] if found.labels is not None else key_of(found.result[0])
    said = f"the label of the model's answer is {show(label)}, not {show(example.label)}"
    return [] if label == example.label else [Diagnostic(example.place("label"), said)]


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
