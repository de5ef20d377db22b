"""Map the column number in a scikit-learn error back to the model's input column."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from engine.models.estimators.column_selections import column_selections

# The last one: the text before it may be a client's own.
_IN_COLUMN = re.compile(r".*\bin column (\d{1,6})\b", re.DOTALL)
_PASS_ON = ("GridSearchCV", "RandomizedSearchCV", "TransformedTargetRegressor")
_KEEP_COLUMNS = ("MaxAbsScaler", "MinMaxScaler", "RobustScaler", "SimpleImputer", "StandardScaler")


def blamed_column(error: Exception) -> int | None:
    """Follow an error from the step that raised it out to the model; None if the column cannot be found."""
    named = _IN_COLUMN.match(str(error))
    involved = _involved(error)
    if named is None or not involved or not all(_is_followed(part) for part in involved[:-1]):
        return None
    column: int | None = int(named[1])
    width = getattr(involved[-1], "n_features_in_", None)
    for part in reversed(involved):
        if isinstance(part, ColumnTransformer):
            column, width = _selected(part, involved, column, width)
        elif isinstance(part, Pipeline) and not _keeps_columns(part, involved):
            return None
    total = getattr(involved[0], "n_features_in_", None)
    return column if column is not None and width == total and column < (total or 0) else None


def _is_followed(part: Any) -> bool:
    """Return whether a part is known to pass its columns on unchanged, or how it selects them."""
    return isinstance(part, Pipeline | ColumnTransformer) or type(part).__name__ in _PASS_ON


def _involved(error: Exception) -> list[Any]:
    """List the estimators whose methods were running, the outermost first."""
    found: list[Any] = []
    trace = error.__traceback__
    while trace is not None:
        part = trace.tb_frame.f_locals.get("self")
        if hasattr(part, "get_params") and not any(part is known for known in found):
            found.append(part)
        trace = trace.tb_next
    return found


def _selected(
    part: ColumnTransformer, involved: Sequence[Any], column: int | None, width: int | None
) -> tuple[int | None, int | None]:
    """Return a column's number, and their count, before the selection."""
    for step, places in column_selections(part):
        if any(step is one for one in involved) and column is not None and column < len(places) == width:
            return int(places[column]), part.n_features_in_
    return None, None


def _keeps_columns(part: Pipeline, involved: Sequence[Any]) -> bool:
    """Return whether the steps before the one that was running leave every column in its place."""
    for _, step in part.steps:
        if any(step is one for one in involved):
            return True
        if type(step).__name__ not in _KEEP_COLUMNS or getattr(step, "add_indicator", False):
            return False
    return False
