"""The names of a model's answer, for routes that shape it: `result`, `label`, `probability` and `model`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.schema import Subschema
from engine.spec.naming.known import ANY
from engine.spec.naming.names import Lacking, Names, Root, root_of

ROOTS = ("result", "label", "probability", "model")
NO_MODEL = "this route has no model; name one, as in model: iris"
_CHANCE = {"type": "number", "minimum": 0, "maximum": 1}
_MODEL = {
    "type": "object",
    "required": ["name", "sha256"],
    "properties": {"name": {"type": "string"}, "sha256": {"type": "string"}},
    "additionalProperties": False,
}
_TEXT = {"type": "string"}
_CHANCES = {"type": "object", "additionalProperties": _CHANCE}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAnswer:
    """What is known of a model's answers: by its entry alone, or with the facts about it if it `is_known`.

    `keys` are what its probabilities are called, and `classes` the texts of a classifier's classes, None for any other
    model. `result` is the schema of one result.
    """

    name: str
    labels: Sequence[str] | None = None
    has_probabilities: bool = False
    is_known: bool = False
    keys: Sequence[str] = ()
    classes: Sequence[str] | None = None
    result: Any = True


def answer_roots(answer: ModelAnswer) -> Mapping[str, Root]:
    """Make the roots of names that a model's answer has."""
    result = answer.result
    return {
        "result": root_of(result) if answer.is_known else Root(ANY, is_open=True),
        "label": _label(answer),
        "probability": _probability(answer),
        "model": root_of(_MODEL),
    }


def lacking_roots() -> Mapping[str, Root]:
    """Make the same roots for a route without a model."""
    return dict.fromkeys(ROOTS, Lacking(ANY, NO_MODEL))


def _label(answer: ModelAnswer) -> Root:
    if answer.labels is not None:
        return root_of({"type": "string", "enum": [*answer.labels]})
    if not answer.is_known:
        return Root(Subschema(_TEXT, _TEXT), is_open=True)
    if answer.classes is None:
        return Lacking(ANY, f'the model "{answer.name}" is no classifier, and has no labels; use ${{result}}')
    return root_of({"type": "string", "enum": [*answer.classes]})


def _probability(answer: ModelAnswer) -> Root:
    if not answer.has_probabilities:
        add = f"add output: {{probabilities: true}} to {answer.name} in models.yaml"
        return Lacking(ANY, f"the model does not answer with probabilities; {add}")
    if not answer.is_known:
        return Root(Subschema(_CHANCES, _CHANCES), is_open=True)
    properties = dict.fromkeys(answer.keys, _CHANCE)
    return root_of(
        {"type": "object", "required": [*answer.keys], "properties": properties, "additionalProperties": False}
    )


def without_answer(names: Names) -> Names:
    """Return a table where the model has not answered yet."""
    missing = Lacking(ANY, "the model has no answer here; use values of the request")
    return Names({**names.roots, **dict.fromkeys(("result", "label", "probability"), missing)}, names.assumed)
