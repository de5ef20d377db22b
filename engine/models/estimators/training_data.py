"""A model's training data, as far as it can be known: dtypes, the form of rows, and columns that it never uses.

The estimator's own attributes come first; other facts are found by asking it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from engine.errors import RefusedInstance, SpecError
from engine.models.data.asked_instances import asked_instances
from engine.models.data.dtypes import Dtype, as_taken
from engine.models.data.instances import Form, TrainedInput, column_order, fit_columns
from engine.models.data.reference_frames import reference_dtypes
from engine.models.estimators.estimator_parts import (
    as_declared,
    first_of,
    is_foreign,
    surely_casts,
    takes_mappings,
    was_single,
)
from engine.models.estimators.known_inputs import KnownInput, known_inputs
from engine.spec import FileModel

ASKED = 8


def trained_on(model: FileModel, estimator: Any, wanted: TrainedInput) -> TrainedInput:
    """Add the known dtypes to an estimator's own description of its columns; raise `SpecError`."""
    names = wanted.names and as_declared(wanted.names, model.input.instance.properties)
    wanted = replace(wanted, casts=surely_casts(estimator), names=names)
    if model.input.instance.form != "object":
        return _with_width(model, estimator, wanted)
    if takes_mappings(estimator):
        return replace(wanted, rows="mappings", count=None)
    if is_foreign(first_of(estimator)) and wanted.names is None:
        wanted = _with_count(model, estimator, wanted)
    order = column_order(model, wanted) if model.rows != "mappings" else ()
    known = known_inputs(estimator, len(order))
    recorded = _recorded(order, known)
    found = reference_dtypes(model, order, recorded)
    dtypes = found | {name: dtype for name, dtype in recorded.items() if not (dtype.is_open and name in found)}
    unused = tuple(name for name, one in zip(order, known, strict=True) if one.is_unused)
    wanted = replace(wanted, dtypes=dtypes, unused=unused)
    return _with_rows(model, estimator, _with_width(model, estimator, wanted))


def _recorded(order: Sequence[str], known: Sequence[KnownInput]) -> dict[str, Dtype]:
    return {name: one.dtype for name, one in zip(order, known, strict=True) if one.dtype is not None}


def _with_count(model: FileModel, estimator: Any, wanted: TrainedInput) -> TrainedInput:
    """Leave out the number of columns if the estimator answers with another one."""
    declared = model.features or tuple(model.input.instance.properties)
    if wanted.count is None or wanted.count == len(declared):
        return wanted
    other = replace(wanted, count=None)
    return other if answers_any(model, estimator, other) else wanted


def _with_width(model: FileModel, estimator: Any, wanted: TrainedInput) -> TrainedInput:
    """Use float32 for an estimator that was trained on it, if it accepts nothing else."""
    if wanted.by_name or wanted.count is None or not was_single(estimator):
        return wanted
    row = np.full((1, wanted.count), 0.5)
    if _responds(model, estimator, row) or not _responds(model, estimator, row.astype(np.float32)):
        return wanted
    return replace(wanted, single=True)


def _with_rows(model: FileModel, estimator: Any, wanted: TrainedInput) -> TrainedInput:
    """Find the form of rows that an estimator accepts, if its own parts do not show it."""
    if model.rows != "auto" or wanted.by_name or (wanted.casts and wanted.count is not None):
        return wanted
    forms: tuple[Form | None, ...] = (None, "table", "mappings")
    found = next((form for form in forms if answers_any(model, estimator, replace(wanted, rows=form))), None)
    return replace(wanted, rows=found)


def answers_any(model: FileModel, estimator: Any, wanted: TrainedInput) -> bool:
    """Return whether an estimator answers any of some instances in the wanted form."""
    try:
        convert = fit_columns(model, wanted).convert
    except SpecError:
        return False
    for instance in asked_instances(model, ASKED, wanted.dtypes):
        try:
            rows = as_taken(convert([instance]))
        except (RefusedInstance, ImportError, ValueError, TypeError):
            continue
        if _responds(model, estimator, rows):
            return True
    return False


def _responds(model: FileModel, estimator: Any, rows: Any) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            getattr(estimator, model.response_method)(rows)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - an estimator may raise anything
        return False
    return True
