"""A few instances to ask a model: its examples, rows of its reference, and made-up ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain, islice
from typing import Any

from engine.models.data.dtypes import Dtype
from engine.models.data.reference import reference_instances
from engine.schema.samples import values_to_ask
from engine.spec import FileModel

MAX_MADE_UP = 6


def asked_instances(model: FileModel, count: int, dtypes: Mapping[str, Dtype]) -> list[Any]:
    """Return up to `count` valid instances from the spec or, if there are none, made-up ones."""
    valid = model.input.instance.validator.is_valid
    written = chain((example.input for example in model.examples), reference_instances(model))
    return list(islice(filter(valid, written), count)) or list(filter(valid, made_up(model, dtypes)))


def made_up(model: FileModel, dtypes: Mapping[str, Dtype]) -> Iterator[Any]:
    """Make objects of the values that their features' schemas list or the model knows, else of plain ones."""
    choices = {
        name: values_to_ask(part, dtypes[name].values[:MAX_MADE_UP] if name in dtypes else ())
        for name, part in model.input.instance.properties.items()
    }
    for number in range(min(MAX_MADE_UP, max(map(len, choices.values()), default=0))):
        yield {name: values[number % len(values)] for name, values in choices.items()}
