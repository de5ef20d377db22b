"""Routes that shape a model's answer, checked once more with the facts about the model: its classes and its results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.errors import SpecError
from engine.models import Facts, ResultForm, key_of
from engine.spec import BATCH_KEY, ModelAnswer, Names, Route, Spec, answer_roots, check_answers, route_names

SCALAR_TYPES = ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"))


def require_shaped_answers(spec: Spec, models: Mapping[str, Facts]) -> None:
    """Check the routes that shape a model's answer, once the models are known.

    Raises `SpecError` with every reference to what a model does not answer with, and every condition that it cannot
    meet.
    """
    found = [
        mistake
        for route in spec.routes
        if route.model is not None and route.cases
        for mistake in check_answers(
            route.node, shaped_names(route, spec, models[route.model]), None, formats=spec.service.checks_formats
        )
    ]
    if any(mistake.severity == "error" for mistake in found):
        raise SpecError([*found, *(warning for warning in spec.warnings if warning not in found)])


def shaped_names(route: Route, spec: Spec, facts: Facts) -> Names:
    """Make the table of names of a route, with those of its model's answer."""
    model = spec.models[route.model or ""]
    classes = None if facts.classes is None or not facts.answers_classes else [key_of(one) for one in facts.classes]
    known = ModelAnswer(
        name=model.name,
        labels=model.output.labels,
        has_probabilities=model.output.probabilities,
        is_known=True,
        keys=facts.keys,
        classes=classes,
        result=_result(facts),
    )
    return route_names(route, spec.models, answer_roots(known))


def takes_many(route: Route, spec: Spec) -> bool:
    """Return whether a body of a model's route may contain several items."""
    schema = route.input if route.input is not None else spec.models[route.model or ""].input
    has_body = route.instance is None or route.input is not None
    return has_body and not route.is_single and BATCH_KEY not in schema.instance.properties


def _result(facts: Facts) -> dict[str, Any]:
    """Describe one result for conditions: a classifier's is one of its classes."""
    is_class = facts.classes is not None and facts.answers_classes and not (facts.result and facts.result.lengths)
    return {"enum": [*facts.classes]} if is_class and facts.classes is not None else result_schema(facts)


def result_schema(facts: Facts) -> dict[str, Any]:
    """Describe one result: by the classes if it is one of them, else by its form."""
    form = facts.result
    if facts.classes is None or not facts.answers_classes or (form is not None and form.lengths):
        return {} if form is None else _of_form(form, is_number=facts.kind == "regressor")
    if all(isinstance(value, str) for value in facts.classes):
        return {"type": "string", "enum": list(facts.classes)}
    kinds = {next(name for kind, name in SCALAR_TYPES if isinstance(value, kind)) for value in facts.classes}
    named = ", ".join(map(key_of, facts.classes))
    return {**({"type": kinds.pop()} if len(kinds) == 1 else {}), "description": f"One of the classes {named}."}


def _of_form(form: ResultForm, *, is_number: bool) -> dict[str, Any]:
    """Describe lists of values; a number that is whole in one result may have a fraction in the next."""
    name = "number" if is_number and form.type == "integer" else form.type
    schema: dict[str, Any] = {"type": name} if name else {}
    for length in reversed(form.lengths):
        schema = {"type": "array", "minItems": length, "maxItems": length, "items": schema}
    return schema
