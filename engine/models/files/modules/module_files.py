"""The files of modules beside models.yaml: read, hashed, compared with a pin, and searched for imports."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from engine.models.files.formats import require_format
from engine.spec import FileModel, find_inner, read_below, read_regular

Opens = Callable[[Iterable[Path]], None]


def hash_modules(files: Mapping[str, bytes]) -> dict[str, str]:
    """Return the SHA-256 of each file."""
    return {file: hash_file(data) for file, data in files.items()}


def read_unchanged(
    model: FileModel, hashes: Mapping[str, str], opens: Opens = lambda _: None
) -> dict[str, bytes] | None:
    """Read the modules with these hashes; None if one has changed, or is gone.

    Raises `SpecError` for one that differs from its pin.
    """
    opens([model.modules_folder / file for file in hashes])
    try:
        files = {file: read_module(model, file) for file in hashes}
    except OSError:
        return None
    if hash_modules(files) != dict(hashes):
        return None
    require_pinned(model, hashes)
    return files


def read_module(model: FileModel, file: str) -> bytes:
    """Read a module of a model; raise `OSError`, also if a link leads out of the model's own folder."""
    folder = model.model_folder
    if folder is None or folder.code is None:
        return read_regular(model.modules_folder / file)
    return read_below(folder.path.resolve(), find_inner(folder.path, f"{folder.code}/{file}"))


def require_pinned(model: FileModel, hashes: Mapping[str, str]) -> None:
    """Raise `SpecError` for a module, or a graph's data, that is not in the model's pin, or has another hash there."""
    if model.pin is None:
        return
    what = "data in" if require_format(model).is_graph else "module"
    lock = model.pin.place().file
    for file, sha256 in hashes.items():
        pinned = model.pin.modules.get(file)
        if pinned == sha256:
            continue
        found = f"has {pinned}" if pinned else "does not have it"
        raise model.error(
            f"the {what} {file} differs from its pin: its sha256 is {sha256}, {lock} {found}; "
            f"if you trust it, accept it: {model.lock_command}",
            "file",
        )


def hash_file(data: bytes) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(data).hexdigest()


def imported_names(file: str, source: bytes) -> Iterator[str]:
    """Name the modules that a module's text imports, anywhere in it."""
    if not file.endswith(".py"):
        return
    package = PurePosixPath(file).parent.parts
    try:
        statements = [*ast.walk(ast.parse(source))]
    except (SyntaxError, ValueError, RecursionError):  # reported when it is imported
        return
    for statement in statements:
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            above = package[: len(package) - statement.level + 1] if statement.level else ()
            base = ".".join((*above, *filter(None, [statement.module])))
            yield from (f"{base}.{alias.name}".lstrip(".") for alias in statement.names)


def with_parents(name: str) -> list[str]:
    """Name the packages of a module, the outermost first, and the module itself."""
    parts = name.split(".")
    return [".".join(parts[: count + 1]) for count in range(len(parts))]
