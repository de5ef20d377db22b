"""The predictor of a model whose file is not there yet: an example's own result answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from engine.models.data.instances import Columns
from engine.models.predictor import STAND_IN, Facts, ModelPredictor, ResultForm
from engine.models.restoring.placement import place_model
from engine.models.restoring.result_form import form_of
from engine.models.runtime.answer import Answer
from engine.models.runtime.class_names import Wording, key_of
from engine.models.runtime.report import Report
from engine.spec import Example, StandIn


def stand_in_predictor(model: StandIn) -> ModelPredictor:
    """Answer each instance as the example that equals it does, and any other as the first one."""
    examples = {_exact(example.input): example for example in reversed(model.examples)}
    first, wording = model.examples[0], _wording(model)
    shows_all = model.output.probabilities

    def answer(instances: Any) -> Answer:
        found = [examples.get(_exact(instance), first) for instance in instances]
        chances = [[(one.probabilities or {})[key] for key in wording.keys] for one in found] if shows_all else None
        return Answer([one.result for one in found], chances)

    facts = _facts(model, wording)
    names = facts.features if isinstance(facts.features, tuple) else None
    return ModelPredictor(Columns(list, names, None, "mappings"), answer, wording, facts)


def _wording(model: StandIn) -> Wording:
    """Return the classes as far as the examples tell them."""
    examples, labels = model.examples, model.output.labels
    by_name: Mapping[str, Any] = {
        one.label if one.label is not None else key_of(one.result): one.result for one in examples
    }
    chances = next((one.probabilities for one in examples if one.probabilities is not None), None)
    if labels is not None or chances is not None:
        keys = labels or tuple(chances or ())
        return Wording(tuple(by_name.get(key, key) for key in keys), labels, keys)
    if any(one.label is not None for one in examples) or all(isinstance(one.result, str | bool) for one in examples):
        return Wording(tuple(by_name.values()), None, tuple(by_name))
    return Wording(None, None, ())


def _facts(model: StandIn, wording: Wording) -> Facts:
    instance = model.input.instance
    return Facts(
        name=model.name,
        file=str(model.file),
        bytes=0,
        sha256=STAND_IN,
        estimator=STAND_IN,
        kind="classifier" if wording.classes is not None else "regressor",
        response_method="predict",
        features=tuple(instance.properties) if instance.form == "object" else instance.most_items,
        classes=wording.classes,
        keys=wording.keys,
        result=_form(model.examples),
        largest=None,
        trained_with="",
        examples=len(model.examples),
        report=Report("sklearn", verdict="not proven", why="its examples answer"),
        note="",
        placement=place_model(model, None) if model.scale is not None else None,
        is_stand_in=True,
    )


def _form(examples: tuple[Example, ...]) -> ResultForm | None:
    """Return the form that all examples' results have, None if they differ."""
    forms = {form_of(one.result) for one in examples}
    kinds = {form.type for form in forms if form is not None}
    lengths = {None if form is None else form.lengths for form in forms}
    if None in lengths or len(lengths) > 1:
        return None
    kind = kinds.pop() if len(kinds) == 1 else "number" if kinds <= {"integer", "number"} else ""
    return ResultForm(lengths.pop() or (), kind)


def _exact(value: Any) -> str:
    """Write an instance so that equal ones are equal texts, with 1 and 1.0 the same, but not 1 and true."""
    return json.dumps(_plain(value), sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [*map(_plain, value)]
    return int(value) if isinstance(value, float) and value.is_integer() else value
