"""A model inside a composition: it is asked for its own features of the outer instances, all of them at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from engine.errors import RefusedInstance
from engine.models.predictor import LOOKING_SECONDS, MAX_REFUSED, ModelPredictor
from engine.models.restoring.result_form import NOT_FINITE
from engine.models.runtime.answer import Answer
from engine.schema import Subschema
from engine.spec import Model, Schema

_NOTES = frozenset(("$comment", "default", "description", "examples", "title"))
_PLAIN_INPUT = _NOTES | {"additionalProperties", "properties", "required", "type"}


class Part:
    """The model `name` as a composition with another input asks it."""

    def __init__(self, model: Model, predictor: ModelPredictor, outer: Schema) -> None:
        self.name = model.name
        self.model = model
        self.predictor = predictor
        self.facts = predictor.facts
        self.wording = predictor.wording
        self._project = _projection(outer, model.input)
        self._is_valid = None if _is_implied(outer, model.input) else model.input.validator().is_valid

    def ask(self, outer: Sequence[Any], places: Sequence[int] | None = None) -> Answer:
        """Predict for outer instances; raise `RefusedInstance` with their places, if given, and this model's name."""
        instances = list(map(self._project, outer))
        try:
            if self._is_valid is not None and not all(map(self._is_valid, instances)):
                raise self._misfits(instances)
            return self.predictor.answer(instances)
        except RefusedInstance as refused:
            raise self._named(refused, places) from refused

    def _misfits(self, instances: Sequence[Any]) -> RefusedInstance:
        """Say which instances this model's input does not allow, though the composition's does, and why."""
        validator, deadline = self.model.input.validator(), time.monotonic() + LOOKING_SECONDS
        wrong = (row for row, instance in enumerate(instances) if not validator.is_valid(instance))
        found: list[RefusedInstance] = []
        for row in islice(wrong, MAX_REFUSED):
            violation = next(validator.violations(instances[row]))
            key = next((one for one in (*violation.path[:1], violation.name) if one != ""), None)
            found.append(RefusedInstance(row, violation.detail, key=key))
            if time.monotonic() > deadline:
                break
        return join_refusals(found, are_all=next(wrong, None) is None)

    def _named(self, refused: RefusedInstance, places: Sequence[int] | None) -> RefusedInstance:
        def named(one: RefusedInstance) -> RefusedInstance:
            row = one.row if places is None else places[one.row]
            return type(one)(row, f"{self.name}: {one.reason}", key=one.key)

        return join_refusals([named(refused), *map(named, refused.others)], are_all=refused.are_all)


def join_refusals(found: Sequence[RefusedInstance], *, are_all: bool = True) -> RefusedInstance:
    """Make one error of refused instances, at least one, in the order of their rows and each row once."""
    by_row: dict[int, RefusedInstance] = {}
    for one in found:
        by_row.setdefault(one.row, one)
    rows = sorted(by_row)[:MAX_REFUSED]
    first, *others = (by_row[row] for row in rows)
    is_whole = are_all and len(rows) == len(by_row)
    return type(first)(first.row, first.reason, others, key=first.key, are_all=is_whole)


def ask_each(asked: Iterable[Callable[[], Answer]]) -> list[Answer]:
    """Ask several models in turn; raise one `RefusedInstance` for all that any of them refuses."""
    answers: list[Answer] = []
    refused: list[RefusedInstance] = []
    for ask in asked:
        try:
            answers.append(ask())
        except RefusedInstance as error:
            refused.append(error)
    if refused:
        found = [one for error in refused for one in (error, *error.others)]
        raise join_refusals(found, are_all=all(error.are_all for error in refused))
    return answers


def not_finite(name: str, row: int) -> RefusedInstance:
    """Refuse an instance to which a model answers with a number that JSON does not have."""
    return RefusedInstance(row, f"{name}: {NOT_FINITE}")


def _projection(outer: Schema, inner: Schema) -> Callable[[Any], dict[str, Any]]:
    """Return a function that takes a model's features out of an outer instance, whose own defaults count."""
    given = outer.instance.properties
    names = [name for name in inner.instance.properties if name in given]
    defaults = {name: given[name].default for name in names if given[name].default is not None}

    def take(instance: Any) -> dict[str, Any]:
        return {name: instance[name] for name in names if name in instance}

    def take_filled(instance: Any) -> dict[str, Any]:
        taken = take(instance)
        return taken | {name: value for name, value in defaults.items() if taken.get(name) is None}

    return take_filled if defaults else take


def _is_implied(outer: Schema, inner: Schema) -> bool:
    """Return whether every instance of the outer input certainly has features that the inner one allows.

    Types and what may be missing are compared when the spec is checked.
    """
    if inner.document.keys() - _PLAIN_INPUT:
        return False
    given: Mapping[str, Subschema] = outer.instance.properties
    return all(
        name not in given or _is_allowed(given[name].schema, part.schema)
        for name, part in inner.instance.properties.items()
    )


def _is_allowed(given: Any, taken: Any) -> bool:
    if taken is True or not isinstance(taken, Mapping):
        return taken is True
    ruled = {keyword: value for keyword, value in taken.items() if keyword not in _NOTES}
    said = {keyword: value for keyword, value in given.items() if keyword not in _NOTES} if given is not True else {}
    return ruled.keys() <= {"type"} or (ruled == said and "'$" not in str(ruled))
