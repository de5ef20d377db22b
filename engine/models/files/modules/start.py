"""The folder that Python searches first because a script or `-m` was started in it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def begins_with_start_folder() -> bool:
    """Return whether the first folder of `sys.path` comes from a script or `-m`, as `python -P` would prevent."""
    if sys.flags.safe_path or not sys.path:
        return False
    try:
        here = str(Path.cwd())
    except OSError:  # it has been deleted
        here = ""
    return sys.path[0] in {"", here, str(Path(here, sys.argv[0]).parent)}


@contextmanager
def without_start_folder() -> Iterator[None]:
    """Exclude it from the search for a while: the folder of the start says nothing about the modules in it."""
    first = sys.path.pop(0) if begins_with_start_folder() else None
    try:
        yield
    finally:
        if first is not None:
            sys.path.insert(0, first)


def leave_start_folder() -> None:
    """Exclude it from the search, in the processes of a command.

    The engine itself may be imported from there; its other processes then find it last.
    """
    if not begins_with_start_folder():
        return
    first = sys.path.pop(0)
    if not any(finder.find_spec("engine", None) for finder in sys.meta_path):
        sys.path.append(first)
