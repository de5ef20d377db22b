"""The form of a model's results: a single value, or lists. The model is asked, since no attribute of it says so."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from engine.models.data.instances import Columns
from engine.models.predictor import Predictor, ResultForm
from engine.schema.documents import MAX_REFERENCES, lookup, types_of
from engine.spec import Model

TYPE_NAMES: Mapping[type, str] = {bool: "boolean", int: "integer", float: "number", str: "string"}
_WORD = "a"
NOT_FINITE = "the model's answer to this instance is not a finite number"


def result_form(model: Model, columns: Columns, predictor: Predictor) -> ResultForm | None:
    """Ask a model with its first example, or a made-up instance, for the form of its results.

    None if it does not answer, or answers with lists that differ in length.
    """
    try:
        result = predictor([_instance(model, columns)]).result[0]
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - an estimator may raise anything, and need not take what is made up
        return None
    return _form(result)


def _form(result: Any) -> ResultForm | None:
    if not isinstance(result, list):
        return ResultForm((), TYPE_NAMES.get(type(result), ""))
    forms = [_form(item) for item in result]
    inner = [form for form in forms if form is not None]
    if len(inner) < len(forms) or len({form.lengths for form in inner}) != 1:
        return None
    types = {form.type for form in inner}
    return ResultForm((len(result), *inner[0].lengths), types.pop() if len(types) == 1 else "")


def _instance(model: Model, columns: Columns) -> Any:
    document = model.input.document
    if model.examples:
        return model.examples[0].input
    if columns.form == "texts":
        return _WORD
    if columns.names is not None:
        return {name: _value(document["properties"][name], document) for name in columns.names}
    if types_of(document, document) == {"number"}:
        return _value(document, document)
    return [0] * (columns.count or document.get("minItems", 1))


def _value(schema: Any, document: Any) -> Any:
    """Return a value that a feature's schema names, else a plain one of its type."""
    for _ in range(MAX_REFERENCES):
        if not isinstance(schema, Mapping) or not str(schema.get("$ref", "")).startswith("#/"):
            break
        schema = lookup(document, schema["$ref"])
    if not isinstance(schema, Mapping):
        return 0
    named = [schema[key] for key in ("default", "const", "minimum") if key in schema]
    named += [value for key in ("enum", "examples") for value in schema.get(key, ())]
    types = types_of(schema, document)
    plain = 0 if "number" in types else _WORD if "string" in types else False
    return next((value for value in named if value is not None), plain)


def is_finite(value: Any) -> bool:
    """Whether a JSON value contains no number that JSON does not have."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(is_finite, value.values()))
    return all(map(is_finite, value)) if isinstance(value, list | tuple) else True
