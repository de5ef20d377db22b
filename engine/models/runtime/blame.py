"""Who is at fault if an estimator raises on a row: the row's values, or the estimator's own code."""

from __future__ import annotations

import dis
import sysconfig
from types import CodeType

_LIBRARIES = tuple(sysconfig.get_paths()[name] for name in ("purelib", "platlib", "stdlib", "platstdlib"))
_RAISE = dis.opmap["RAISE_VARARGS"]


def is_about_a_value(error: Exception) -> bool:
    """Return whether a library below the estimator, or Python itself, raised an error about a value.

    A ValueError from the model's own code is about that code; its message is not for clients.
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
