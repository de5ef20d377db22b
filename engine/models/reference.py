"""The rows that a model's spec names as its reference, as instances of its input."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from engine.spec import Model
from engine.validation import Validator

_BOOLEANS = {"false": False, "true": True}


def reference_instances(model: Model) -> Iterator[Mapping[str, Any]]:
    """Read the rows of the CSV that a model names as its reference, each cell as its feature's schema wants it."""
    if model.reference is None:
        return
    document = model.input.document
    properties = document.get("properties", {})
    takes = {name: Validator.of_part(document, part).is_valid for name, part in properties.items()}
    with model.reference.open(newline="", encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            cells = {name: text for name, text in row.items() if name is not None and text not in ("", None)}
            yield {name: _cell(text, takes.get(name)) for name, text in cells.items()}


def _cell(text: str, takes: Callable[[Any], bool] | None) -> Any:
    """Read a cell as a number, a boolean or a text, whichever comes first among those that the schema takes."""
    readings: list[Any] = [text]
    if text.lower() in _BOOLEANS:
        readings.insert(0, _BOOLEANS[text.lower()])
    with contextlib.suppress(ValueError):
        readings.insert(0, float(text))
    return next(filter(takes, readings), readings[0]) if takes is not None else readings[0]
