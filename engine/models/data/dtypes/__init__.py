"""The dtype of each column: its possible kinds, its sources, and how cells become columns of it."""

from engine.models.data.dtypes.cells import EXACT, NAN, OBJECTS, Make, float_rows, makers, whole_rows
from engine.models.data.dtypes.frames import as_taken
from engine.models.data.dtypes.kinds import Dtype, Kind, Table
from engine.models.data.dtypes.known import Feature, fits, from_schema
from engine.models.data.dtypes.needed import DtypesNeeded, listed, shown_dtypes
