"""The form of a model's results: a single value, or lists. The model is asked, since no attribute of it says so."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from engine.models.data.asked_instances import made_up
from engine.models.data.instances import Columns
from engine.models.predictor import Predictor, ResultForm
from engine.schema.samples import values_to_ask
from engine.spec import FileModel

TYPE_NAMES: Mapping[type, str] = {bool: "boolean", int: "integer", float: "number", str: "string"}
NOT_FINITE = "the model's answer to this instance is not a finite number"


def result_form(model: FileModel, columns: Columns, predictor: Predictor) -> ResultForm | None:
    """Ask a model with its first example, or a made-up instance, for the form of its results.

    None if it does not answer, or answers with lists that differ in length.
    """
    try:
        result = predictor([_instance(model, columns)]).result[0]
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - an estimator may raise anything, and need not take what is made up
        return None
    return form_of(result)


def form_of(result: Any) -> ResultForm | None:
    """Return the form of a result, None if its lists differ in length."""
    if not isinstance(result, list):
        return ResultForm((), TYPE_NAMES.get(type(result), ""))
    forms = [form_of(item) for item in result]
    inner = [form for form in forms if form is not None]
    if len(inner) < len(forms) or len({form.lengths for form in inner}) != 1:
        return None
    types = {form.type for form in inner}
    return ResultForm((len(result), *inner[0].lengths), types.pop() if len(types) == 1 else "")


def _instance(model: FileModel, columns: Columns) -> Any:
    if model.examples:
        return model.examples[0].input
    if columns.names is not None:
        return next(made_up(model, columns.dtypes))
    instance = model.input.instance
    if instance.form == "array":
        return [0] * (columns.count or instance.least_items or 1)
    return values_to_ask(instance)[0]


def is_finite(value: Any) -> bool:
    """Whether a JSON value contains no number that JSON does not have."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(is_finite, value.values()))
    return all(map(is_finite, value)) if isinstance(value, list | tuple) else True
