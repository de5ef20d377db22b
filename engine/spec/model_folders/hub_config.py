"""The file config.json, by which skops describes the model in a folder for the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.schema import show
from engine.spec.model_folders.folder_records import ModelFolder, Signature, SignedColumn
from engine.spec.model_folders.inner_files import require_inside
from engine.spec.model_folders.requirements import pinned_versions
from engine.spec.reading.node import Node

CONFIG, SECTION = "config.json", "sklearn"
_FORMATS = ("pickle", "skops")


def read_config(path: Path, files: Mapping[str, bytes], root: Node) -> ModelFolder:
    """Make the record of a document; raise `SpecError` at the place in it that cannot be served."""
    said = root[SECTION]
    file = said["model"]["file"]
    if not file.text:
        where = said.key("model")
        message = f'it does not name the model\'s file; write "{SECTION}": {{"model": {{"file": "model.skops"}}}}'
        raise where.mistake(message)
    names = [one.text for one in said["columns"].items]
    columns = tuple(SignedColumn(name, None) for name in names if name is not None)
    return ModelFolder(
        path=path,
        files=files,
        description=CONFIG,
        format=_format(said["model_format"], file.text),
        file=require_inside(file),
        signature=Signature(columns, len(columns)) if columns and len(columns) == len(names) else None,
        versions=pinned_versions(one.text for one in said["environment"].items if one.text is not None),
        example=_first_row(said["example_input"].plain),
    )


def _format(form: Node, file: str) -> str:
    """Return the format of the model's file; without any, its name says it."""
    if form.text in (None, "auto"):
        return "skops" if file.endswith(".skops") else "pickle"
    if form.text not in _FORMATS:
        message = f"{show(form.text)} is not a format that can be read; save the model with skops or pickle"
        raise form.mistake(message)
    return form.text


def _first_row(example: Any) -> Any:
    """Return the first of some instances, which are columns by their names, or texts."""
    if isinstance(example, list):
        return example[0] if example else None
    if not isinstance(example, dict) or not all(isinstance(one, list) and one for one in example.values()):
        return None
    if [*example] == ["data"] and isinstance(example["data"][0], str):  # of a task with texts
        return example["data"][0]
    return {name: values[0] for name, values in example.items()} or None
