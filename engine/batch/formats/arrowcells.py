"""Columns of Arrow → cells, as JSON has them: what a model gets, and what is written to CSV and JSON Lines."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from engine.batch.scoring.record_batch import Integers

_is = pa.types


def is_feature(kind: Any) -> bool:
    """Tell whether a value of a type is one value in JSON."""
    kind = _plain_type(kind)
    checks = (
        _is.is_integer,
        _is.is_floating,
        _is.is_boolean,
        _is.is_string,
        _is.is_large_string,
        _is.is_string_view,
        _is.is_date,
        _is.is_timestamp,
        _is.is_time,
        _is.is_decimal,
        _is.is_null,
    )
    return any(check(kind) for check in checks)


def is_writable(kind: Any) -> bool:
    """Tell whether values of a type can be written as JSON: binary data and durations have no form there."""
    kind = _plain_type(kind)
    if _is.is_nested(kind):
        return all(is_writable(kind.field(place).type) for place in range(kind.num_fields))
    return is_feature(kind)


def feature_cells(column: Any) -> Any:
    """Return the cells that a model gets: an array of floats, `Integers`, or a list with None for a gap."""
    column = _plain(column)
    kind = column.type
    if _is.is_integer(kind):
        return _integers(column)
    if _is.is_floating(kind):
        return np.asarray(column.to_numpy(), np.float64)
    if _is.is_decimal(kind):
        return [cell if cell is None else _number(cell) for cell in column.to_pylist()]
    return _listed(column)


def written_cells(column: Any) -> Sequence[Any]:
    """Return the cells that are carried over: as they are, with all their digits."""
    column = _plain(column)
    kind = column.type
    if _is.is_integer(kind):
        return _integers(column).tolist()
    if _is.is_floating(kind):
        return _floats(column)
    if _is.is_decimal(kind):
        return [cell if cell is None else orjson.Fragment(str(cell)) for cell in column.to_pylist()]
    return _listed(column)


def _integers(column: Any) -> Integers:
    if not column.null_count:
        return Integers(column.to_numpy(), None)
    return Integers(pc.fill_null(column, 0).to_numpy(), column.is_null().to_numpy())


def _floats(column: Any) -> list[Any]:
    """Return floats in the fewest digits that tell them apart in their own type, and what is not finite as a text."""
    cells = column.to_numpy()
    listed = cells.tolist() if cells.dtype == np.float64 else [float(text) for text in map(str, cells)]
    if not np.isfinite(cells).all():
        listed = [_infinite(cell) for cell in listed]
    return listed


def _infinite(cell: float) -> Any:
    return None if cell != cell else cell if abs(cell) < float("inf") else str(cell)  # noqa: PLR0124 - NaN


def _number(cell: Decimal) -> int | float:
    return int(cell) if cell == cell.to_integral_value() and cell.as_tuple().exponent == 0 else float(cell)


def _listed(column: Any) -> list[Any]:
    """Return cells that are not numbers, as a list."""
    kind = column.type
    if _is.is_timestamp(kind):
        column = _times(column)
    elif _is.is_date(kind):
        column = column.cast(pa.date32()).cast(pa.string())
    elif _is.is_time(kind):
        column = _shortened(column.cast(pa.string()))
    elif _is.is_nested(kind) or _is.is_null(kind):
        cells: list[Any] = column.to_pylist()
        return cells
    listed: list[Any] = column.to_numpy().tolist()
    return listed


def _times(column: Any) -> Any:
    """Write times as ISO 8601 has them: with the fraction of a second that they have, and the offset of a zone."""
    texts = _shortened(pc.strftime(column, format="%Y-%m-%dT%H:%M:%S"))
    if column.type.tz is None:
        return texts
    offsets = pc.replace_substring_regex(pc.strftime(column, format="%z"), r"(\d\d)(\d\d)$", r"\1:\2")
    return pc.binary_join_element_wise(texts, offsets, "")


def _shortened(texts: Any) -> Any:
    """Leave out the zeros at the end of a fraction."""
    return pc.replace_substring_regex(pc.replace_substring_regex(texts, r"(\.\d*?)0+$", r"\1"), r"\.$", "")


def _plain(column: Any) -> Any:
    """Return a column without a dictionary and without an extension of its type."""
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.cast(column.type.storage_type)
    if _is.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column.cast(pa.large_string()) if _is.is_string_view(column.type) else column


def _plain_type(kind: Any) -> Any:
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    return kind.value_type if _is.is_dictionary(kind) else kind
