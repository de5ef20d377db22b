"""Tables → DataFrames whose columns have the dtypes that a model was trained with."""

from __future__ import annotations

from functools import cache
from typing import Any

from engine.models.data.dtypes.kinds import Dtype, Table

_PLAIN = Dtype("object")


def as_taken(rows: Any) -> Any:
    """Return rows in the form that an estimator accepts: a table as a DataFrame."""
    if not isinstance(rows, Table):
        return rows
    import pandas as pd  # noqa: PLC0415 - an optional extra

    return pd.DataFrame({name: _series(pd, cells, rows.dtypes[name]) for name, cells in rows.items()}, copy=False)


def _series(pandas: Any, cells: Any, dtype: Dtype) -> Any:
    match dtype.kind:
        case "string":
            return pandas.Series(cells, dtype=text_dtype())
        case "category":
            known = pandas.CategoricalDtype([*dtype.values], dtype.ordered)  # noqa: PD011 - no column, a record
            return pandas.Series(pandas.Categorical.from_codes(known.categories.get_indexer_for(cells), dtype=known))
        case "datetime":
            times = pandas.Series(cells.astype(f"datetime64[{time_unit()}]"))
            return times.dt.tz_localize("UTC").dt.tz_convert(dtype.zone) if dtype.zone else times
        case _:
            return pandas.Series(cells, dtype=cells.dtype)


@cache
def text_dtype() -> Any:
    """Return the dtype that the installed pandas infers for texts."""
    import pandas as pd  # noqa: PLC0415 - an optional extra

    return pd.Series(["text"]).dtype


@cache
def time_unit() -> str:
    """Return the unit in which the installed pandas reads times."""
    import pandas as pd  # noqa: PLC0415 - an optional extra

    return str(pd.to_datetime(["2024-01-31T12:00:00"]).unit)
