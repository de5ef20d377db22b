"""An instance of a model → the values that fill in the form of a route that asks that model, turned into its shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.endpoints.docs.fields import ABSENT
from engine.endpoints.docs.route_fields import Filled
from engine.schema import InstanceSchema
from engine.schema.samples import Guess, sample
from engine.spec import Name, Route, lone_reference


def fill_form(route: Route, instance: Any) -> Filled | None:
    """Return the values with which a route asks its model about an instance; None if that is not certain."""
    if route.instance is not None:
        return _turn_around(route, instance)
    if route.input is not None:
        return Filled(body=instance) if _is_taken(route, instance) else None
    return Filled(path=instance if isinstance(instance, Mapping) else {}, body=instance)


def _turn_around(route: Route, instance: Any) -> Filled | None:
    """Put the features of an instance where the route's `instance` takes them from; each must be taken as it is."""
    whole = route.input.instance if route.input is not None else InstanceSchema({})
    filled = Filled({}, {}, {}, {}, sample(whole) if route.input is not None else ABSENT)
    if not (isinstance(instance, Mapping) and isinstance(route.instance, Mapping)):
        return None
    for feature, value in instance.items():
        source = _source_of(route.instance.get(feature))
        if source is None or not _put(filled, source, value):
            return None
    if any(feature not in instance and _source_of(text) is None for feature, text in route.instance.items()):
        return None
    return filled if filled.body is ABSENT or _is_taken(route, filled.body) else None


def _source_of(text: Any) -> Name | None:
    """Return the name of the value that a feature is, if it is one as it stands."""
    reference = lone_reference(text)
    return None if reference is None else reference.name


def _put(filled: Filled, source: Name, value: Any) -> bool:
    """Put a value where a name finds it; False if it cannot be put there."""
    target: Any = getattr(filled, source.root, None)
    if not isinstance(target, dict) or not source.steps:
        return False
    *way, last = source.steps
    for step in way:
        target = target.setdefault(step, {})
        if not isinstance(target, dict):
            return False
    target[last] = value
    return True


def _is_taken(route: Route, body: Any) -> bool:
    return route.input is not None and route.input.validator().is_valid(_without_guesses(body))


def _without_guesses(value: Any) -> Any:
    """Return a value as JSON has it: a guess is a number, which validators do not know."""
    if isinstance(value, dict):
        return {key: _without_guesses(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_without_guesses(part) for part in value]
    return int(value) if isinstance(value, Guess) else value
