"""Keep onnxruntime from reporting to its vendor: set the variable that turns its telemetry off.

onnxruntime reads the variable once, when its library is loaded. `engine/__init__.py` therefore imports this module
before anything else, so that every process that runs engine code has it set, and every child inherits it.
"""

from __future__ import annotations

import logging
import os
import sys

logger = logging.getLogger("engine")

VARIABLE = "ORT_DISABLE_TELEMETRY"
_ASKED_FOR = ("0", "false", "no", "off")
_DISABLED = ("1", "on", "true", "y", "yes")  # the values that onnxruntime itself understands


def disable_telemetry() -> bool:
    """Set the variable, unless its value asks for telemetry. Return whether this came too late."""
    value = os.environ.get(VARIABLE, "").strip().lower()
    if value in _ASKED_FOR or value in _DISABLED:
        return False
    os.environ[VARIABLE] = "1"
    return "onnxruntime" in sys.modules


_CAME_TOO_LATE = disable_telemetry()


def warn_if_too_late() -> None:
    """Warn if another part of this process imported onnxruntime first, with its telemetry on."""
    if _CAME_TOO_LATE:
        logger.warning(
            "onnxruntime was imported before engine, so it may send usage data to its vendor from this process; "
            "set %s=1 in the environment of the server, or import engine first",
            VARIABLE,
        )
