"""Ask a model that fails on every row with other dtypes: if it answers, these may be those of its training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from engine.errors import RefusedInstance, SpecError
from engine.models.data.asked_instances import asked_instances
from engine.models.data.dtypes import DtypesNeeded, list_columns, shown_dtypes
from engine.models.data.instances import fit_columns
from engine.models.estimators.inspection import Inspected
from engine.models.estimators.sklearn_runtime import SklearnRuntime
from engine.models.estimators.training_data import answers_any, trained_on
from engine.models.runtime.answer import Refusal
from engine.schema import clip
from engine.spec import FileModel

MAX_ASKED = 20


def require_answer(model: FileModel, inspected: Inspected) -> None:
    """Ask the user for dtypes if the model fails on every row, and answers with other dtypes."""
    instances = asked_instances(model, MAX_ASKED, inspected.columns.dtypes)
    runtime = SklearnRuntime(inspected.estimator, model.response_method, probabilities=False)
    failure: Exception | None = None
    for instance in instances:
        try:
            runtime(inspected.columns.convert([instance]))
        except (Refusal, RefusedInstance):  # it may be right to refuse made-up rows
            continue
        except Exception as error:  # noqa: BLE001 - an estimator may raise anything
            failure = failure or error
        else:
            return
    if failure is None:
        return
    for dtypes in _others(model, inspected, instances):
        changed = replace(model, dtypes={**model.dtypes, **dtypes})
        if _answers_with(changed, inspected):
            named = list(dtypes)
            reason = clip(f"{type(failure).__name__}: {str(failure).strip().partition(chr(10))[0]}", 200)
            message = (
                f"the model fails on every row that was tried ({reason}), and answers with another dtype of "
                f"{list_columns(named)}; if it was trained with that, declare dtypes: {shown_dtypes(dtypes)}"
            )
            raise DtypesNeeded(model.error(message, "input", "properties", named[0]), dtypes)


def _answers_with(model: FileModel, inspected: Inspected) -> bool:
    try:
        wanted = trained_on(model, inspected.estimator, replace(inspected.wanted, rows=None))
        fit_columns(model, wanted)
    except SpecError:
        return False
    return answers_any(model, inspected.estimator, wanted)


def _others(model: FileModel, inspected: Inspected, instances: Sequence[Any]) -> Iterator[dict[str, str]]:
    """Return other dtypes that the columns may have had: times, in a zone too, categories, numbers that are floats."""
    dtypes = inspected.columns.dtypes
    types = {name: feature.types for name, feature in model.input.instance.properties.items()}
    texts = [name for name, dtype in dtypes.items() if dtype.kind == "string"]
    times = [name for name in texts if _are_times(instance.get(name) for instance in instances)]
    words = [name for name in texts if name not in times]
    whole = [name for name, dtype in dtypes.items() if dtype.kind == "int"]
    flags = [name for name, dtype in dtypes.items() if dtype.kind == "object" and types[name] <= {"boolean", "null"}]
    options = (
        dict.fromkeys(times, "datetime"),
        dict.fromkeys(times, "datetime[UTC]"),
        dict.fromkeys(words, "category"),
        dict.fromkeys(times, "datetime") | dict.fromkeys(words, "category"),
        dict.fromkeys(times, "datetime[UTC]") | dict.fromkeys(words, "category"),
        dict.fromkeys(whole, "category"),
        dict.fromkeys(whole, "float"),
        dict.fromkeys(flags, "float"),
    )
    yield from (option for option in options if option)


def _are_times(cells: Iterator[Any]) -> bool:
    found = [cell for cell in cells if cell is not None]
    try:
        return bool(found) and all(datetime.fromisoformat(cell) for cell in found)
    except (TypeError, ValueError):
        return False
