"""A worker's rehearsal: before it serves a model by scikit-learn, it checks its examples and golden answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from engine.diagnostics import Diagnostic
from engine.errors import SpecError
from engine.models.composing.compositions import own_of
from engine.models.predictor import Predictor
from engine.models.restoring.known_answers import hold_examples, hold_golden
from engine.spec import Spec


def rehearse_models(
    spec: Spec, predictors: Mapping[str, Predictor], known: Iterable[Predictor] = (), *, is_elsewhere: bool = False
) -> None:
    """Run what models on scikit-learn must answer, except those that are `known`; raise `SpecError` with every mistake.

    Their code is imported again in each process; a compiled model is the same bytes everywhere. But where it was
    compiled elsewhere, numpy or the processor may be another, and compiled models are asked too.
    """
    found: list[Diagnostic] = []
    for name, predictor in predictors.items():
        is_same = predictor.facts.report.is_compiled and not is_elsewhere
        if is_same or any(predictor is one for one in known):
            continue
        model = spec.models[name]
        own, file_model = own_of(predictor), model.file_model
        try:
            hold_examples(model, predictor)
            if file_model is not None and file_model.pin is not None and own is not None:
                hold_golden(file_model, file_model.pin.golden, own)
        except SpecError as error:
            found += error.diagnostics
    if found:
        raise SpecError(found)
