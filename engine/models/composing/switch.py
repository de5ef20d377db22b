"""One of several models, by the value of a feature; a batch is divided, and put together again."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

from engine.errors import RefusedInstance
from engine.models.composing.composed import (
    Composed,
    Parts,
    class_order,
    require_probabilities,
    require_same_form,
    worded,
)
from engine.models.composing.part import ask_each
from engine.models.runtime.answer import Answer
from engine.schema import show
from engine.spec import Composition, Switch

_PATH = ("to",)


def compose_switch(model: Composition, parts: Parts) -> Composed:
    """Make the switch; raise `SpecError` for parts that do not answer alike."""
    switch = cast("Switch", model)
    asked = [*parts.values()]
    wording = worded(switch, asked, _PATH)
    result = require_same_form(switch, asked, _PATH)
    shows_all = switch.output.probabilities
    if shows_all:
        for part in asked:
            require_probabilities(switch, part, ("output", "probabilities"), "this")
    feature, default = switch.feature, switch.input.instance.properties[switch.feature].default
    targets = {_exact(value): name for value, name in switch.to}
    orders = {name: class_order(wording, part) for name, part in parts.items()}

    def answer(instances: Any) -> Answer:
        places: dict[str, list[int]] = {}
        for place, instance in enumerate(instances):
            value = instance.get(feature)
            name = targets.get(_exact(default if value is None else value), switch.otherwise)
            if name is None:
                raise RefusedInstance(place, f"there is no model for {show(value)}", key=feature)
            places.setdefault(name, []).append(place)
        answers = ask_each(
            partial(parts[name].ask, [instances[row] for row in rows], rows) for name, rows in places.items()
        )
        results: list[Any] = [None] * len(instances)
        chances: list[list[float]] = [[]] * len(instances)
        for (name, rows), found in zip(places.items(), answers, strict=True):
            for row, one in zip(rows, found.result, strict=True):
                results[row] = one
            for row, by_class in zip(rows, (found.probabilities or ()) if shows_all else (), strict=False):
                chances[row] = [by_class[place] for place in orders[name]]
        return Answer(results, chances if shows_all else None)

    kinds = {part.facts.kind for part in asked}
    kind = kinds.pop() if len(kinds) == 1 else "estimator"
    return Composed(answer, wording, kind, result, f"switch by {feature}: {', '.join(parts)}")


def _exact(value: Any) -> tuple[bool, Any]:
    """Return a key that is equal for 1 and 1.0, but not for 1 and true."""
    return isinstance(value, bool), value
