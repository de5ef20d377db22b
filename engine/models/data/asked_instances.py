"""A few instances to ask a model: its examples, rows of its reference, and made-up ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from engine.models.data.dtypes import Dtype
from engine.models.data.reference import reference_instances
from engine.schema import Validator
from engine.schema.documents import MAX_REFERENCES, lookup, types_of
from engine.schema.times import TIMES
from engine.spec import Model

MAX_MADE_UP = 6
_KEYS = ("default", "const", "minimum", "maximum")
_PLAIN: Mapping[str, Any] = {"string": "a", "number": 0.5, "boolean": False}


def asked_instances(model: Model, count: int, dtypes: Mapping[str, Dtype]) -> list[Any]:
    """Return up to `count` valid instances from the spec or, if there are none, made-up ones."""
    valid = Validator(model.input.document).is_valid
    written = list(islice(filter(valid, _written(model)), count))
    return written or list(filter(valid, made_up(model, dtypes)))


def _written(model: Model) -> Iterator[Any]:
    yield from (example.input for example in model.examples)
    yield from reference_instances(model)


def made_up(model: Model, dtypes: Mapping[str, Dtype]) -> Iterator[Any]:
    """Make objects of the values that their features' schemas list or the model knows, else of plain ones."""
    document = model.input.document
    if types_of(document, document) != {"object"}:
        return
    choices = {
        name: _choices(part, document, dtypes[name].values if name in dtypes else ())
        for name, part in document.get("properties", {}).items()
    }
    for number in range(min(MAX_MADE_UP, max(map(len, choices.values()), default=0))):
        yield {name: values[number % len(values)] for name, values in choices.items()}


def _choices(schema: Any, document: Any, known: Sequence[Any]) -> list[Any]:
    for _ in range(MAX_REFERENCES):
        if not isinstance(schema, Mapping) or not str(schema.get("$ref", "")).startswith("#/"):
            break
        schema = lookup(document, schema["$ref"])
    if not isinstance(schema, Mapping):
        return [_PLAIN["number"]]
    named = [value for key in ("enum", "examples") for value in schema.get(key, ())]
    named += [schema[key] for key in _KEYS if key in schema]
    types = types_of(schema, document)
    plain = [value for kind, value in _PLAIN.items() if kind in types]
    if schema.get("format") in TIMES:
        plain = [TIMES[schema["format"]][0]]
    elif "integer" in str(schema.get("type")):
        plain = [1]
    return [value for value in named if value is not None] or [*known[:MAX_MADE_UP]] or plain or [None]
