"""Write the files of an export, and never over what a person wrote or changed.

The first line of each file has a checksum of the rest, by which a file that was not changed since is known.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.errors import EngineError
from engine.spec import read_regular, write_whole
from engine.text import plural

_MARK = re.compile(r"# Written by python -m engine export \w+, checksum ([0-9a-f]{16})\n")
_MOST = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Written:
    """The files that were written, those of them that a person had written or changed, and those removed."""

    files: tuple[Path, ...]
    replaced: tuple[Path, ...]
    removed: tuple[Path, ...]


def write_files(folder: Path, files: Mapping[str, str], kind: str, known: Iterable[str], *, force: bool) -> Written:
    """Write files by their names in a folder, and remove what an earlier export of that kind wrote beside them.

    Raise `EngineError`, with nothing written, if a file there is not ours as it is, unless `force` says otherwise.
    """
    texts = {folder / name: _marked(text, kind) for name, text in files.items()}
    foreign = tuple(path for path in texts if path.exists() and not _is_ours(path))
    if foreign and not force:
        raise EngineError(_refusal(foreign))
    stale = tuple(path for name in known if (path := folder / name) not in texts and _is_ours(path))
    for path, text in texts.items():
        _write(path, text)
    for path in stale:
        path.unlink(missing_ok=True)
    return Written(tuple(texts), foreign, stale)


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path.resolve(), text.encode(), 0o644)
    except OSError as error:
        raise EngineError(f"{path} cannot be written: {error.strerror}") from None


def _refusal(foreign: tuple[Path, ...]) -> str:
    more = f" (and {plural(len(foreign) - 1, 'other file')})" if len(foreign) > 1 else ""
    return (
        f"{foreign[0]} was not written by this command, or was changed since{more}; choose another -o, or "
        "replace such files with --force"
    )


def _marked(text: str, kind: str) -> str:
    return f"# Written by python -m engine export {kind}, checksum {_checksum(text)}\n{text}"


def _is_ours(path: Path) -> bool:
    """Whether a file was written by an export, and not changed since."""
    try:
        text = read_regular(path, _MOST).decode(errors="replace")
    except OSError:
        return False
    mark = _MARK.match(text)
    return mark is not None and mark[1] == _checksum(text[mark.end() :])


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
