"""The features of a pandas DataFrame, as a table of Arrow; no other column is converted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

import pyarrow as pa

_PLAIN = (bool, int, float, str)


def feature_table(frame: Any, places: Sequence[int]) -> tuple[Any, Mapping[str, Sequence[Any]]]:
    """Return the columns at some places as a table, and the cells of those that have values of several types."""
    columns: dict[str, Any] = {}
    mixed: dict[str, Sequence[Any]] = {}
    for place in places:
        name, series = str(frame.columns[place]), frame.iloc[:, place]
        try:
            columns[name] = pa.chunked_array(pa.Array.from_pandas(series))
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            columns[name], mixed[name] = pa.nulls(len(series), pa.string()), [*map(_cell, series.tolist())]
    return pa.table(columns), mixed


def _cell(value: Any) -> Any:
    """Return a Python value as a JSON value, None for a gap."""
    value = value.item() if hasattr(value, "item") else value
    if value is None or (isinstance(value, float) and isnan(value)):
        return None
    return value if isinstance(value, _PLAIN) else str(value)
