"""Whose fault it is that an estimator raised on a row: a value's, or its own code's."""

from __future__ import annotations

import dis
import sysconfig
from types import CodeType

_LIBRARIES = tuple(sysconfig.get_paths()[name] for name in ("purelib", "platlib", "stdlib", "platstdlib"))
_RAISE = dis.opmap["RAISE_VARARGS"]


def is_about_a_value(error: Exception) -> bool:
    """Return whether a library below the estimator, or Python itself, raised an error about a value.

    Code of the model's own that raises a ValueError says something about itself; what it says is not a client's.
    """
    if not isinstance(error, ValueError | OverflowError):
        return False
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return False
    code = trace.tb_frame.f_code
    return code.co_filename.startswith(_LIBRARIES) or not _raises(code, trace.tb_lasti)


def _raises(code: CodeType, at: int) -> bool:
    """Return whether the instruction at a place is a raise statement: if not, a function without a frame raised."""
    return 0 <= at < len(code.co_code) and code.co_code[at] == _RAISE
