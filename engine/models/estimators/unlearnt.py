"""Values that an input lists and its model has not learnt: most are misspelt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.models.estimators.estimator_parts import first_of
from engine.models.estimators.inspection import Inspected
from engine.models.estimators.known_inputs import KnownInput, known_inputs, known_of_mappings
from engine.schema import show
from engine.spec import FileModel
from engine.text import did_you_mean


def unlearnt_values(model: FileModel, inspected: Inspected) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Warn of each value of an `enum` that is none of an encoder's categories: its path in the entry, and a message."""
    properties = model.input.instance.properties
    for name, known in _known(inspected).items():
        categories = frozenset(known.categories or ())
        for value in properties[name].listed if categories and name in properties else ():
            if value not in categories:
                places = _places(properties[name].schema, value)
                where: tuple[str | int, ...] = ("input", "properties", name, "enum", *places)
                yield where, _unlearnt(name, value, known)


def _known(inspected: Inspected) -> Mapping[str, KnownInput]:
    columns = inspected.columns
    if columns.form == "mappings":
        return known_of_mappings(first_of(inspected.estimator))
    known = known_inputs(inspected.estimator, columns.count or 0)
    return dict(zip(columns.names or (), known, strict=False))


def _places(schema: Any, value: Any) -> list[int]:
    return [place for place, one in enumerate(schema.get("enum", ())) if one == value][:1]


def _unlearnt(name: str, value: Any, known: KnownInput) -> str:
    texts = [one if isinstance(one, str) else show(one) for one in known.categories or ()]
    meant = did_you_mean(value if isinstance(value, str) else show(value), texts, "it was trained with")
    then = "would count as none of these" if known.ignores_others else "would be refused"
    return f'the model was not trained with {show(value)} in "{name}" {meant}; it {then}'
