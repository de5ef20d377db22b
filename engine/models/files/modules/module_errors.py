"""Which line of a module beside models.yaml an exception comes from, so that it is mended there."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Iterator

from engine.models.files.modules.loaders import SourceLoader
from engine.text import did_you_mean

_NO_ATTRIBUTE = re.compile(r"attribute '([^']+)' on <module '([^']+)'|module '([^']+)' has no attribute '([^']+)'")


def raised_at(error: BaseException) -> str:
    """Return the last line of such a module that was at work, such as `features.py:7`; empty if none was."""
    places = [*_places(error)]
    return places[-1] if places else ""


def _places(error: BaseException) -> Iterator[str]:
    for frame, line in traceback.walk_tb(error.__traceback__):
        loader = frame.f_globals.get("__loader__")
        if isinstance(loader, SourceLoader):
            yield f"{loader.file}:{line}"
        compiled = frame.f_locals.get("self") if frame.f_code is SourceLoader.get_code.__code__ else None
        if isinstance(compiled, SourceLoader):  # its text has no frame yet
            yield f"{compiled.file}:{error.lineno}" if isinstance(error, SyntaxError) else compiled.file


def missing_attribute(error: BaseException) -> tuple[str, str]:
    """Return the name that pickle has not found, and its module; both empty if the error is another one."""
    found = _NO_ATTRIBUTE.search(str(error)) if isinstance(error, AttributeError) else None
    return (found[1] or found[4], found[2] or found[3]) if found is not None else ("", "")


def is_script(module: str) -> bool:
    """Return whether this is a name of the module that a process was started with, as Python's messages show it."""
    main = sys.modules["__main__"]
    return module in {"__main__", "__mp_main__", main.__name__, getattr(main.__spec__, "name", "__main__")}


def missing_name(error: BaseException) -> str:
    """Say which name such a module lacks; empty if the error is another one."""
    name, of = missing_attribute(error)
    module = sys.modules.get(of)
    loader = getattr(module, "__loader__", None)
    if module is None or not isinstance(loader, SourceLoader):
        return ""
    public = [one for one in vars(module) if not one.startswith("_")]
    return f'"{name}" is not in the module {loader.file} {did_you_mean(name, public, "it has")}'
