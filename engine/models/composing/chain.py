"""A model file some of whose features other models compute, each asked once for all instances."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import isfinite
from typing import Any, cast

from engine.diagnostics import Diagnostic
from engine.errors import RefusedInstance, SpecError
from engine.models.composing.composed import Composed, Parts
from engine.models.composing.part import Part, ask_each, join_refusals, not_finite
from engine.models.predictor import ModelPredictor
from engine.models.restoring.result_form import TYPE_NAMES
from engine.models.runtime.answer import Answer
from engine.schema import show
from engine.spec import Chain, Composition, Computed, Example, FileModel
from engine.text import did_you_mean

_LIMITS = frozenset(("maxProperties", "minProperties", "propertyNames"))  # which count or judge computed features too
_PLAIN = frozenset(("$defs", "$schema", "definitions", "description", "title", "type"))
Columns = list[tuple[str, list[Any]]]


def compose_chain(model: Composition, parts: Parts, own: ModelPredictor) -> Composed:
    """Make the chain, whose own file's predictor is `own`."""
    chain = cast("Chain", model)
    compute = feature_computer(chain, parts)

    def answer(instances: Any) -> Answer:
        return own.answer(compute(instances))

    facts = own.facts
    title = f"{facts.estimator} with {', '.join(f'{one.name} of {one.model}' for one in chain.own.computed)}"
    return Composed(
        answer,
        own.wording,
        facts.kind,
        facts.result,
        title,
        facts.threshold,
        file=facts.file,
        size=facts.bytes,
        identity=facts.sha256,
    )


def feature_computer(chain: Chain, parts: Parts) -> Callable[[Sequence[Any]], list[Any]]:
    """Return a function that adds the computed features to instances."""
    takers = [(one.name, one.model, _taker(one, parts[one.model])) for one in chain.own.computed]

    def compute(instances: Sequence[Any]) -> list[Any]:
        answers = ask_each(partial(part.ask, instances) for part in parts.values())
        by_part = dict(zip(parts, answers, strict=True))
        columns = [(name, model, take(by_part[model])) for name, model, take in takers]
        _require_finite(columns)
        made = [dict(instance) for instance in instances]
        for name, _, values in columns:
            for instance, value in zip(made, values, strict=True):
                instance[name] = value
        return made

    return compute


def _require_finite(columns: Sequence[tuple[str, str, list[Any]]]) -> None:
    """Raise `RefusedInstance` where a computed feature is a number that JSON does not have, which no input allows."""
    odd = [
        not_finite(model, row)
        for _, model, values in columns
        for row, value in enumerate(values)
        if isinstance(value, float) and not isfinite(value)
    ]
    if odd:
        raise join_refusals(odd)


def _taker(computed: Computed, part: Part) -> Callable[[Answer], list[Any]]:
    if computed.take == "probability":
        place = part.facts.keys.index(computed.of_class)
        return lambda found: [row[place] for row in found.probabilities or ()]
    labels = part.wording.label_by_class() if computed.take == "label" else {}
    return lambda found: [labels.get(one, one) for one in found.result]


def complete_model(chain: Chain, parts: Parts) -> FileModel:
    """Return the model of the chain's own file with the input that this gets; raise `SpecError`.

    The examples are as they are in the entry.
    """
    own, mistakes = chain.own, list[Diagnostic]()
    schemas: dict[str, Any] = {}
    for one in own.computed:
        try:
            schemas[one.name] = _schema_of(one, parts[one.model])
        except SpecError as error:
            mistakes += error.diagnostics
    if mistakes:
        raise SpecError(mistakes)
    return replace(own, input=replace(own.input, document=_own_document(own, schemas)))


def _own_document(own: FileModel, schemas: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of what the file's model gets: its features, without those that only the other models take.

    A keyword that may concern any of those others, or counts properties, is left out; requests are judged before.
    """
    outer: Mapping[str, Any] = own.input.document
    names = own.features or ()
    given = {name: part for name, part in outer.get("properties", {}).items() if name in names}
    are_all = given.keys() == outer.get("properties", {}).keys()
    kept = {
        keyword: value for keyword, value in outer.items() if (are_all and keyword not in _LIMITS) or keyword in _PLAIN
    }
    required = [name for name in outer.get("required", ()) if name in given]
    return {**kept, "properties": {**given, **schemas}, "required": [*required, *schemas]}


def with_computed(chain: Chain, own: FileModel, parts: Parts) -> FileModel:
    """Give a completed model its examples, with the computed features; raise `SpecError` for one that is refused."""
    compute = feature_computer(chain, parts)
    return replace(own, examples=tuple(_computed_example(example, compute) for example in chain.examples))


def _computed_example(example: Example, compute: Callable[[Sequence[Any]], list[Any]]) -> Example:
    try:
        return replace(example, input=compute([example.input])[0])
    except RefusedInstance as refused:
        raise SpecError([Diagnostic(example.place("input"), refused.reason)]) from None
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - an estimator may raise anything
        message = f"a model of this chain fails on this example: {type(error).__name__}: {error}"
        raise SpecError([Diagnostic(example.place("input"), message)]) from None


def _schema_of(computed: Computed, part: Part) -> dict[str, Any]:
    """Describe a computed feature; raise `SpecError` if the part's answers do not have it."""
    match computed.take:
        case "label":
            return {"type": "string", "enum": list(_labels(computed, part))}
        case "probability":
            return _probability(computed, part)
    return _result(computed, part)


def _labels(computed: Computed, part: Part) -> Sequence[str]:
    classes = part.wording.classes or ()
    if not part.facts.answers_classes:
        raise computed.error(f'"{part.name}" is a {part.facts.kind} and has no labels; take its result', "take")
    if part.wording.labels is None and not all(isinstance(one, str) for one in classes):
        listed = ", ".join(map(show, classes))
        message = (
            f'"{part.name}" has no labels for its classes {listed}; name them there, under output, or take: result'
        )
        raise computed.error(message, "take")
    return part.wording.labels or [str(one) for one in classes]


def _probability(computed: Computed, part: Part) -> dict[str, Any]:
    if part.wording.classes is None:
        message = f'"{part.name}" is a {part.facts.kind} and has no probabilities; take its result'
        raise computed.error(message, "take")
    if computed.of_class not in part.facts.keys:
        known = did_you_mean(computed.of_class, part.facts.keys, "its classes are")
        raise computed.error(f'{show(computed.of_class)} is not a class of "{part.name}" {known}', "take")
    if not part.model.output.probabilities:
        advice = 'add to its entry: "output: {probabilities: true}"'
        raise computed.error(f'"{part.name}" does not answer with probabilities; {advice}', "take")
    return {"type": "number", "minimum": 0, "maximum": 1}


def _result(computed: Computed, part: Part) -> dict[str, Any]:
    form = part.facts.result
    if form is None or form.lengths:
        raise computed.error(f'the results of "{part.name}" are lists, and a feature is a single value', "take")
    if part.facts.answers_classes:
        classes = list(part.wording.classes or ())
        types = sorted({TYPE_NAMES.get(type(one), "") for one in classes})
        return {"type": types[0] if len(types) == 1 else types, "enum": classes}
    is_whole = form.type == "integer" and part.facts.kind != "regressor"
    return {"type": "integer" if is_whole else form.type if form.type in ("string", "boolean") else "number"}
