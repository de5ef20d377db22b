"""A file that an entry names: it has to be there, and to be a file or a model folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from engine.diagnostics import Diagnostic
from engine.schema import show
from engine.spec.model_folders.folder_records import ModelFolder
from engine.spec.model_folders.remote_models import how_to_fetch
from engine.spec.named_files import near_by
from engine.spec.reading.node import Node


def is_skops(file: str, folder: ModelFolder | None) -> bool:
    """Return whether the model is in the format of skops, by its file's name or by its folder."""
    return file.endswith(".skops") if folder is None else folder.format == "skops"


def check_file(file: Node, folder: Path, *, may_be_folder: bool = False) -> Iterator[Diagnostic]:
    """Return a mistake where there is no file of this name; a folder is looked into elsewhere."""
    if not file.text:
        return
    if "\0" in file.text:
        yield file.error("a file name cannot contain a NUL character")
        return
    path = folder / file.text
    try:
        if path.is_dir():
            if not may_be_folder:
                yield file.error(f'file "{file.text}" is a folder; name the file in it')
        elif not path.exists():
            if may_be_folder and (fetching := how_to_fetch(file.text)):
                yield file.error(f'"{file.text}" {fetching}')
                return
            script = folder / "train.py"
            train = f"; train it first: python {script}" if script.is_file() else ""
            yield file.error(
                f'file "{file.text}" does not exist{near_by(folder, file.text, may_be_folder=may_be_folder) or train}'
            )
    except OSError as error:
        yield file.error(f'file "{show(file.text)}" cannot be read: {error.strerror}')
