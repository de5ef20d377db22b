"""Which distribution of the engine is installed: the whole one, or the one that only serves what is compiled."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

_DISTRIBUTIONS = ("endpoint-engine", "endpoint-engine-serve")


def engine_version() -> str:
    """Return the version of the engine, whichever distribution it came in."""
    for name in _DISTRIBUTIONS:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "0"
