"""Columns of tensors → predictions, without a JSON value for each cell where all of them are valid for certain.

Everything else is left to whoever judges instances, and says what is wrong with them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.batch.scoring.cells import Field
from engine.batch.scoring.layout import layout_of
from engine.batch.tensors.datatypes import Cells
from engine.batch.tensors.fitting import SentColumns
from engine.batch.tensors.tensor import values_of
from engine.errors import Overloaded
from engine.models import Prediction, Predictor
from engine.models.predictor import ModelPredictor
from engine.spec import Model


@dataclass(frozen=True, slots=True)
class Answered:
    """Predictions for some rows: lists, or arrays where the model answers with them.

    `probabilities` has a row for each row, and a column for each class.
    """

    result: Any
    probabilities: Any = None
    labels: list[str] | None = None

    @classmethod
    def of(cls, prediction: Prediction) -> Answered:
        """Make one of a prediction for instances."""
        chances = prediction.probabilities
        return cls(prediction.result, chances and [[*row.values()] for row in chances], prediction.labels)


class ColumnScorer:
    """Scores columns with one model; from several threads at once, and without keeping anything of them."""

    def __init__(self, model: Model, predictor: Predictor) -> None:
        self._predictor = predictor if isinstance(predictor, ModelPredictor) else None
        bulk = None if self._predictor is None else self._predictor.columns.bulk
        if self._predictor is None or bulk is None:
            self._bulk = None
            return
        self._layout = layout_of(model, self._predictor.columns.count, bulk.floats)
        self._bulk = bulk if self._layout.is_separable else None
        self._labels = self._predictor.wording.label_by_class()

    def rows(self, sent: SentColumns, *, is_costly: bool) -> Any:
        """Make the model's rows of columns; None if a cell is not valid for certain.

        If it `is_costly` to judge values of their size one by one, only columns of numbers are judged.
        """
        if self._bulk is None:
            return None
        fields = self._layout.fields
        if any(key not in fields for key in sent.columns):
            return None
        columns: dict[Any, Any] = {}
        for key, field in fields.items():
            if key not in sent.columns:
                if field.required:
                    return None
                continue
            cells = sent.columns[key]
            is_judged = not is_costly or _is_judged_as_floats(field, cells)
            if not is_judged or (cells := _judged(field, cells)) is None:
                return None
            columns[key] = cells
        try:
            return self._bulk.make(columns, sent.count)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - which row it is shows when they are judged one by one
            return None

    def answer(self, rows: Any, count: int, timed: Callable[[Callable[[], Any]], Any]) -> Answered | None:
        """Answer rows; None if the model refuses one, or answers with a number that is not finite.

        `timed` calls the model, and measures that. Raises `Overloaded`.
        """
        predictor = self._predictor
        if predictor is None:
            return None
        try:
            result, chances = timed(lambda: predictor.answer_rows(rows, count))
        except (MemoryError, Overloaded):
            raise
        except Exception:  # noqa: BLE001 - the same
            return None
        if not (_is_finite(result) and _is_finite(chances)):
            return None
        listed = result.tolist() if self._labels and isinstance(result, np.ndarray) else result
        return Answered(result, chances, [self._labels[one] for one in listed] if self._labels else None)


def _judged(field: Field, cells: Cells) -> Any:
    """Return the cells as rows are made of them; None if one of them is not valid for certain."""
    if _is_judged_as_floats(field, cells):
        floats, doubts = field.from_values(cells.astype(np.float64, copy=False), has_nulls=False)
        return floats if doubts is None else None
    values = values_of(cells)
    if None in values and field.required and not field.nullable:
        return None
    try:
        different = {(type(value), value) for value in values}  # since 1 equals True
    except TypeError:  # lists, in texts of JSON
        return None
    return values if all(field.takes(value) for _, value in different if value is not None) else None


def _is_judged_as_floats(field: Field, cells: Cells) -> bool:
    return field.is_plain_number and isinstance(cells, np.ndarray) and cells.dtype.kind != "b"


def _is_finite(values: Any) -> bool:
    """Return whether all numbers are finite for certain."""
    if values is None:
        return True
    if isinstance(values, np.ndarray) and values.dtype.kind != "O":
        return values.dtype.kind != "f" or bool(np.isfinite(values).all())
    try:
        array = np.asarray(values)
    except ValueError:  # lists of different lengths
        return False
    return array.dtype.kind in "biuUS" or (array.dtype.kind == "f" and bool(np.isfinite(array).all()))
