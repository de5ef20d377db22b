"""The outputs of a graph: which of them has the answer of each response method."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import SpecError
from engine.schema import show
from engine.spec import FileModel
from engine.text import did_you_mean, first_words

MOST_NAMED = 12
LABELS = ("tensor(int64)", "tensor(int32)", "tensor(string)", "tensor(bool)")
NUMBERS = frozenset(
    f"tensor({name})" for name in "double float float16 int8 int16 int32 int64 uint8 uint16 uint32 uint64".split()
)
_RESULTS = NUMBERS | {"tensor(string)", "tensor(bool)"}
_OF_PROBABILITIES = re.compile(r"prob", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ChosenOutputs:
    """The outputs that have the result, and the one that has probabilities, None if there is none.

    If `is_classifier`, the result of predict is a label.
    """

    result: tuple[Any, ...]
    chances: Any
    label: Any
    is_classifier: bool


def choose_outputs(model: FileModel, outputs: Sequence[Any]) -> ChosenOutputs:
    """Choose the outputs of a graph for an entry; raise `SpecError` where there are none."""
    by_name = {one.name: one for one in outputs}
    _require_names(model, by_name)
    named = {method: _named(model, method, by_name) for method in model.graph_outputs}
    predicted = named.get("predict") or (_label(outputs),)
    is_classifier = len(predicted) == 1 and predicted[0].type in LABELS
    chances = named["predict_proba"][0] if "predict_proba" in named else _chances(outputs, predicted)
    answers = {"predict": predicted, **({"predict_proba": (chances,)} if chances is not None else {}), **named}
    if model.response_method not in answers:
        raise model.error(
            f"the graph has no {model.response_method}; it has the outputs "
            f"{first_words([*map(show, by_name)], MOST_NAMED)}, and graph_outputs can name one",
            "response_method",
        )
    result = answers[model.response_method]
    _require_results(model, result)
    return ChosenOutputs(result, chances, predicted[0], is_classifier)


def require_probabilities(model: FileModel, output: Any) -> None:
    """Raise `SpecError` for probabilities that are no tensor of numbers."""
    if output.type not in NUMBERS:
        must = 'the probabilities must be a tensor of numbers: export the model with options={"zipmap": False}'
        raise model.error(f"{_typed(output)}; {must}", "file")


def _label(outputs: Sequence[Any]) -> Any:
    """Return the first output, or the label where probabilities stand before it."""
    first, *others = outputs
    if first.type in LABELS or not _OF_PROBABILITIES.search(first.name):
        return first
    return next((one for one in others if one.type in LABELS), first)


def _chances(outputs: Sequence[Any], predicted: Sequence[Any]) -> Any:
    """Return the output of probabilities: the one whose name says so, else the one after the first."""
    others = [one for one in outputs if one not in predicted]
    called = [one for one in others if _OF_PROBABILITIES.search(one.name)]
    if called:
        return called[0]
    return outputs[1] if len(outputs) > 1 and outputs[1] in others else None


def _require_names(model: FileModel, by_name: Collection[str]) -> None:
    """Raise `SpecError` for each output that an entry names and that is not there."""
    found = []
    for method, names in model.graph_outputs.items():
        at = model.node["graph_outputs"][method]
        for place, name in enumerate(names):
            if name not in by_name:
                known = did_you_mean(name, by_name, "its outputs are")
                found.append((at[place] if at.items else at).error(f"the graph has no output {show(name)} {known}"))
    if found:
        raise SpecError(found)


def _named(model: FileModel, method: str, by_name: dict[str, Any]) -> tuple[Any, ...]:
    """Return the outputs that an entry names for a method; raise `SpecError` for those of several types."""
    names = model.graph_outputs[method]
    found = tuple(by_name[name] for name in names)
    if len({"text" if one.type == "tensor(string)" else one.type in NUMBERS for one in found}) > 1:
        kinds = first_words([f"{one.name}: {one.type}" for one in found], MOST_NAMED)
        raise model.error(f"one result cannot have values of several types ({kinds})", "graph_outputs", method)
    return found


def _require_results(model: FileModel, outputs: Sequence[Any]) -> None:
    """Raise `SpecError` for an output that is part of a result and has a type that JSON cannot represent."""
    for output in outputs:
        if model.response_method == "predict_proba":
            require_probabilities(model, output)
        elif output.type not in _RESULTS:
            must = "the result must be a tensor of numbers, texts or booleans"
            raise model.error(f"{_typed(output)}; {must}", "file")


def _typed(output: Any) -> str:
    return f"the output {show(output.name)} is of type {output.type}"
