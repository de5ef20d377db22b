"""Values that an input allows and its model has not learnt: misspelt texts, and numbers where it knows texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import SpecError
from engine.schema import Subschema, clip, show
from engine.spec import FileModel
from engine.text import did_you_mean

_MOST_NAMED = 6
_MOST_LETTERS = 200
_NUMBERS = frozenset(("boolean", "number"))
_TEXTS = frozenset(("string",))
_NAMES = {_NUMBERS: "numbers", _TEXTS: "texts"}
_TYPES = {_NUMBERS: "number", _TEXTS: "string"}


@dataclass(frozen=True, slots=True)
class KnownCategories:
    """The categories of a column; with `ignores_others`, any other is none of them."""

    values: tuple[Any, ...]
    ignores_others: bool


Warned = Iterator[tuple[tuple[str | int, ...], str]]


def unlearnt_values(model: FileModel, learnt: Mapping[str, KnownCategories]) -> Warned:
    """Warn of each value of an `enum` that is no category of its feature: its path in the entry, and a message."""
    properties = model.input.instance.properties
    for name, known in learnt.items():
        categories = frozenset(known.values)
        for value in properties[name].listed if categories and name in properties else ():
            if value is not None and value not in categories:
                places = _places(properties[name].schema, value)
                where: tuple[str | int, ...] = ("input", "properties", name, "enum", *places)
                yield where, _unlearnt(name, value, known)


def other_kinds(
    model: FileModel, learnt: Mapping[str, KnownCategories], numbers: Sequence[str]
) -> Mapping[str, SpecError]:
    """Report each feature that allows only numbers where its categories are texts, or only texts for `numbers`."""
    found: dict[str, SpecError] = {}
    properties = model.input.instance.properties
    for name in dict.fromkeys((*learnt, *numbers)):
        values = learnt[name].values if name in learnt else ()
        kind = _kind_of(values) if name in learnt else _NUMBERS
        if name not in properties or name in model.dtypes or kind is None:
            continue
        allowed = properties[name].types - {"null"}
        if allowed and allowed <= (_TEXTS if kind == _NUMBERS else _NUMBERS):
            where = ("type",) if "type" in _written(properties[name]) else ()
            message = _other_kind(name, values, kind)
            found[name] = model.error(message, "input", "properties", name, *where)
    return found


def _kind_of(values: Sequence[Any]) -> frozenset[str] | None:
    """Return the types of a column's categories, None where a number may stand for a text."""
    if all(isinstance(value, int | float) for value in values):
        return _NUMBERS if values else None
    is_text = all(isinstance(value, str) and not _stands_for_number(value) for value in values)
    return _TEXTS if is_text else None


def _stands_for_number(text: str) -> bool:
    return is_written_number(text) or text in ("False", "True")


def is_written_number(text: str) -> bool:
    """Return whether a text is a number as Python writes and reads it."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _other_kind(name: str, values: Sequence[Any], kind: frozenset[str]) -> str:
    other = _NAMES[_NUMBERS if kind == _TEXTS else _TEXTS]
    write = f"type: {_TYPES[kind]}"
    if 0 < len(values) <= _MOST_NAMED:
        write = f"enum: {clip(show([*values]), _MOST_LETTERS)}"
    return f'the model was trained with {_NAMES[kind]} in "{name}", and it knows no {other}; write {write}'


def _written(part: Subschema) -> Mapping[str, Any]:
    return part.schema if isinstance(part.schema, Mapping) else {}


def _places(schema: Any, value: Any) -> list[int]:
    return [place for place, one in enumerate(schema.get("enum", ())) if one == value][:1]


def _unlearnt(name: str, value: Any, known: KnownCategories) -> str:
    texts = [one if isinstance(one, str) else show(one) for one in known.values]
    meant = did_you_mean(value if isinstance(value, str) else show(value), texts, "it was trained with")
    then = "would count as none of these" if known.ignores_others else "would be refused"
    return f'the model was not trained with {show(value)} in "{name}" {meant}; it {then}'
