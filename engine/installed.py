"""Which distribution of the engine is installed: the whole one, or the one that only serves what is compiled."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

_DISTRIBUTIONS = ("endpoint-engine", "endpoint-engine-serve")


def is_serving_only() -> bool:
    """Return whether only the distribution is installed that serves bundles."""
    return not _version(_DISTRIBUTIONS[0]) and bool(_version(_DISTRIBUTIONS[1]))


def engine_version() -> str:
    """Return the version of the engine, whichever distribution it came in."""
    return next(filter(None, map(_version, _DISTRIBUTIONS)), "0")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
