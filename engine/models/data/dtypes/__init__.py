"""The dtype of each column: its possible kinds, its sources, and how cells become columns of it."""

from engine.models.data.dtypes.casting import EXACT, NAN, OBJECTS, Make, column_makers, float_rows, whole_rows
from engine.models.data.dtypes.frames import as_taken
from engine.models.data.dtypes.kinds import Dtype, Kind, Table
from engine.models.data.dtypes.known import Feature, fits_schema, from_schema
from engine.models.data.dtypes.needed import DtypesNeeded, list_columns, shown_dtypes
