"""The error that asks for dtypes to be declared, and its words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

from engine.errors import SpecError

MAX_NAMED = 5


class DtypesNeeded(SpecError):
    """The dtypes of some columns must be declared; `dtypes` are those that are probably meant."""

    def __init__(self, error: SpecError, dtypes: Mapping[str, str]) -> None:
        self.dtypes = dtypes
        super().__init__(error.diagnostics)


def list_columns(names: Sequence[str]) -> str:
    """List some columns, and count the rest."""
    rest = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(f'"{name}"' for name in names[:MAX_NAMED]) + rest


def shown_dtypes(dtypes: Mapping[str, str]) -> str:
    """Write the dtypes of some columns in the syntax of a spec."""
    shown = [f"{name}: {kind}" for name, kind in islice(dtypes.items(), MAX_NAMED)]
    return "{" + ", ".join(shown) + (", ..." if len(dtypes) > MAX_NAMED else "") + "}"
