"""The dtype of each column: what it can be, where it is known from, and how cells become columns of it."""

from engine.models.dtypes.cells import EXACT, NAN, Make, float_rows, maker, whole_rows
from engine.models.dtypes.frames import as_taken
from engine.models.dtypes.kinds import Dtype, Kind, Table
from engine.models.dtypes.known import Feature, fits, from_schema, named_values

__all__ = [
    "EXACT",
    "NAN",
    "Dtype",
    "Feature",
    "Kind",
    "Make",
    "Table",
    "as_taken",
    "fits",
    "float_rows",
    "from_schema",
    "maker",
    "named_values",
    "whole_rows",
]
