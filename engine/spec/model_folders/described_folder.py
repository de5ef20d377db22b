"""Which files describe a model folder, and what they say of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path

from engine.diagnostics import Diagnostic, Place
from engine.errors import SpecError
from engine.spec.model_folders.folder_records import ModelFolder
from engine.spec.model_folders.hub_config import CONFIG, SECTION, read_config
from engine.spec.model_folders.inner_files import read_inner
from engine.spec.model_folders.mlmodel_file import MLMODEL, REQUIREMENTS, read_mlmodel
from engine.spec.reading.compose import compose_document
from engine.spec.reading.node import Node
from engine.spec.reading.source import MAX_BYTES, decode_source

_DESCRIPTIONS = (MLMODEL, CONFIG)
_FILES = (*_DESCRIPTIONS, REQUIREMENTS)
_MOST_INSIDE = 1000

Reads = Callable[[Iterable[Path]], None]


class NoModelFolder(Exception):
    """A folder that nothing in it describes as that of a model."""


def find_folders(
    models: Node,
    home: Path,
    described: Mapping[str, Mapping[str, bytes]] | None,
    opens: Reads,
    found: list[Diagnostic],
) -> Mapping[str, ModelFolder]:
    """Read the model folders that entries name as their files, by the entries' names; add mistakes to `found`.

    `home` is the folder of models.yaml. With `described`, as in a bundle, only these are read. `opens` is called with
    every file that is read, before that.
    """
    folders: dict[str, ModelFolder] = {}
    for name, _, entry in models.pairs():
        file = entry["file"]
        if not file.text or "\0" in file.text:
            continue
        path = home / file.text
        try:
            if described is None:
                folder = read_folder(path, opens)
            else:
                folder = _describe(path, described[name]) if described.get(name) else None
        except NoModelFolder as error:
            found.append(file.error(f'file "{file.text}" {error}'))
        except SpecError as error:
            found += error.diagnostics
        else:
            if folder is not None:
                folders[name] = folder
    return folders


def read_folder(path: Path, opens: Reads = lambda _: None) -> ModelFolder | None:
    """Read the description of a model folder; None if the path is not that of a folder.

    Raises `NoModelFolder` for a folder without a description, `SpecError` for a mistake in that.
    """
    try:
        if not path.is_dir():
            return None
    except OSError:
        return None
    opens([path / name for name in _FILES])
    files = {name: data for name in _FILES if (data := _read(path, name)) is not None}
    if not files.keys() & {*_DESCRIPTIONS}:
        raise NoModelFolder(_why_no_folder(path))
    folder = _describe(path, files)
    opens([path / folder.file])
    return folder


def _read(path: Path, name: str) -> bytes | None:
    try:
        return read_inner(path, name, MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        message = f"the file cannot be read: {error.strerror}"
        raise SpecError([Diagnostic(Place(str(path / name)), message)]) from None


def _describe(path: Path, files: Mapping[str, bytes]) -> ModelFolder:
    """Make the record of a model folder, whose descriptions have been read; raise `SpecError` at a place in them."""
    description = next(name for name in _DESCRIPTIONS if name in files)
    shown = str(path / description)
    if not files[description].strip():
        raise SpecError([Diagnostic(Place(shown), "the file is empty; save the model again")])
    root = compose_document(decode_source(files[description], shown), environment=False)
    if description == MLMODEL:
        read = {name: files[name] for name in (MLMODEL, REQUIREMENTS) if name in files}
        return read_mlmodel(path, read, root)
    if not root[SECTION].fields:
        message = f'there is no "{SECTION}", by which skops says which file contains a model of scikit-learn'
        raise root.source.error(root.start, root.start + 1, f"{message}; models of other libraries cannot be read")
    return read_config(path, {CONFIG: files[CONFIG]}, root)


def _why_no_folder(path: Path) -> str:
    """Say what a folder lacks, and which folder in it was probably meant."""
    inside = next(_folders_inside(path), None)
    meant = f'; did you mean "{inside.name}" in it?' if inside is not None else "; name a file, or a model folder"
    return f"is a folder without {MLMODEL}, by which MLflow describes a model, or {CONFIG}, as skops does{meant}"


def _folders_inside(path: Path) -> Iterator[Path]:
    with suppress(OSError):
        for inside in islice(sorted(path.iterdir()), _MOST_INSIDE):
            if any((inside / name).is_file() for name in _DESCRIPTIONS):
                yield inside
