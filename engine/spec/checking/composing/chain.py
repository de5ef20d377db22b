"""`features: [rooms, {model: district, take: label, as: district}]`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.diagnostics import Diagnostic
from engine.schema import show
from engine.spec.checking.composing.kind import ComposedEntry, CompositionKind, Parts
from engine.spec.composed_records import Chain
from engine.spec.model_records import Computed
from engine.spec.reading.node import Node

TAKEN = ("result", "label", "probability")


def computed_nodes(entry: Node) -> list[Node]:
    """Return the features of an entry that other models compute."""
    return [item for item in entry["features"].items if item.fields is not None]


def computed_names(entry: Node) -> frozenset[str]:
    """Return what they are called."""
    return frozenset(one["as"].text for one in computed_nodes(entry) if one["as"].text is not None)


def _parts(entry: Node) -> Parts:
    for one in computed_nodes(entry):
        if one["model"].text is not None:
            yield one["model"].text, one["model"]


def _check(entry: Node) -> Iterator[Diagnostic]:
    named = {item.text: item for item in entry["features"].items if item.text is not None}
    properties = entry["input"]["properties"]
    for one in computed_nodes(entry):
        name, take = one["as"], one["take"]
        if take.text is not None and _taken(take.text)[0] not in TAKEN:
            known = "take result, label or probability.CLASS, as in probability.yes"
            yield take.error(f"a model's answer has no {show(take.text)}; {known}")
        if name.text is None:
            continue
        if name.text in named:
            line = named[name.text].place.line
            yield name.error(f'the feature "{name.text}" is in the list twice (first on line {line}); rename one')
        elif name.text in properties:
            message = f'"{name.text}" is a property of the input too, so it would have two values'
            yield name.error(f"{message}; remove it there, or use the name from the model's training")
        named.setdefault(name.text, name)


def _taken(take: str) -> tuple[str, str]:
    """Divide `probability.yes`; the class is empty for anything else, and what is taken is, if the class is missing."""
    what, dot, of_class = take.partition(".")
    is_whole = bool(of_class) == (what == "probability") and bool(dot) == bool(of_class)
    return (what, of_class) if is_whole else ("", "")


def read_computed(entry: Node) -> tuple[Computed, ...]:
    """Make the records of an entry's computed features."""
    return tuple(_computed(one) for one in computed_nodes(entry))


def _computed(node: Node) -> Computed:
    what, of_class = _taken(node["take"].plain)
    taken: Any = what
    return Computed(node=node, name=node["as"].plain, model=node["model"].plain, take=taken, of_class=of_class)


def _read(entry: ComposedEntry) -> Chain:
    return Chain(own=entry.read_file_model(), **entry.shared)


CHAIN = CompositionKind("chain", lambda entry: bool(computed_nodes(entry)), _parts, _check, _read)
