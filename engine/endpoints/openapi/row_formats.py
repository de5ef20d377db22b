"""CSV and JSON Lines in an OpenAPI document."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from engine.batch.formats.csvblocks import quote_cell
from engine.endpoints.row_bodies import CSV, NDJSON
from engine.models import Facts
from engine.spec import Model, Route

_ROWS = {
    CSV: "A CSV in UTF-8. Its first line names the columns; those that are no features are ignored.",
    NDJSON: "An instance as JSON on each line.",
}
_PREDICTIONS = {
    CSV: "The columns prediction, label and probability_CLASS, with a row for each instance.",
    NDJSON: "An object with prediction, label and probability_CLASS on each line, one for each instance.",
}


def rows_in(model: Model, route: Route, instance: Mapping[str, Any], examples: Sequence[Any]) -> dict[str, Any]:
    """Describe bodies of rows, as arrays of instances, with examples."""
    rows = {"type": "array", "minItems": 1, "maxItems": route.limits.instances, "items": instance}
    content: dict[str, Any] = {NDJSON: {"schema": {**rows, "description": _ROWS[NDJSON]}}}
    if examples:
        content[NDJSON]["example"] = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in examples)
    if model.input.instance.form == "object":
        content[CSV] = {"schema": {**rows, "description": _ROWS[CSV]}}
        if examples:
            names = list(dict.fromkeys(name for one in examples for name in one))
            written = [",".join(_cell(one.get(name)) for name in names) for one in examples]
            content[CSV]["example"] = "\n".join([",".join(map(_cell, names)), *written, ""])
    else:
        content[CSV] = _text(_ROWS[CSV])
    return content


def rows_out(model: Model, facts: Facts) -> dict[str, Any]:
    """Describe answers of rows."""
    says = ["prediction"]
    says += ["label"] * (model.output.labels is not None)
    says += [f"probability_{key}" for key in facts.keys] if model.output.probabilities else []
    return {
        media_type: _text(said.replace("prediction, label and probability_CLASS", ", ".join(says)))
        for media_type, said in _PREDICTIONS.items()
    }


def _text(said: str) -> dict[str, Any]:
    return {"schema": {"type": "string", "description": said}}


def _cell(value: Any) -> str:
    return quote_cell("" if value is None else value if isinstance(value, str) else json.dumps(value), ",")
