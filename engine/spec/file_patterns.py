"""The files that the references in a file's name can name: those that are in the spec's folder when it is read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from engine.spec.references import Reference, Template

MAX_FILES = 1000
MAX_SEEN = 20_000


def match_files(template: Template, names: Iterable[str]) -> list[str]:
    """Return those of some names that a template can be filled in to become.

    A reference stands for any text without a slash; names that begin with a dot there are never meant.
    """
    pattern = "".join(r"(?!\.)[^/]+" if isinstance(part, Reference) else re.escape(part) for part in template)
    matches = re.compile(pattern, re.DOTALL).fullmatch
    return sorted(name for name in names if matches(name))


def list_folder(folder: Path, template: Template) -> Iterator[str]:
    """Yield the names of all files below the folder that a template's beginning names, relative to `folder`.

    Raises `ValueError`, for the author, if the beginning names no folder, or one that has too much in it.
    """
    begin = folder_of(template)
    seen = 0
    for at, folders, files in os.walk(folder / begin):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        seen += len(files) + 1
        if seen > MAX_SEEN:
            raise ValueError(f'the folder "{begin}" has more than {MAX_SEEN:,} files; name a smaller one')
        inside = os.path.relpath(at, folder / begin)
        for file in files:
            yield begin + "/" + (file if inside == "." else f"{Path(inside).as_posix()}/{file}")


def folder_of(template: Template) -> str:
    """Return the folder that a template begins with; raise `ValueError`, for the author, if there is none."""
    begin = template[0] if isinstance(template[0], str) else ""
    folder, slash, _ = begin.rpartition("/")
    if not slash or any(not part or part.startswith(".") for part in folder.split("/")):
        raise ValueError(
            "a file's name with references must begin with a folder, as in pages/${path.name}, so that clients can get "
            "only the files in it"
        )
    return folder
