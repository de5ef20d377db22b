"""The instance that a model folder has as an example."""

from __future__ import annotations

import json
from typing import Any

from engine.spec.model_folders.folder_records import ModelFolder
from engine.spec.model_folders.inner_files import read_inner

_MOST_BYTES = 8 * 1024 * 1024


def example_in(folder: ModelFolder) -> Any:
    """Return the first instance in a model folder's example; None if there is none that can be used."""
    if folder.example_file is None:
        return folder.example
    try:
        said = json.loads(read_inner(folder.path, folder.example_file, _MOST_BYTES))
    except (OSError, ValueError, RecursionError):  # an example is no part of the model
        return None
    if isinstance(said, dict) and isinstance(said.get("inputs"), list):  # an array, of MLflow before 2.12
        said = said["inputs"]
    if isinstance(said, dict) and isinstance(said.get("columns"), list) and isinstance(said.get("data"), list):
        names, rows = said["columns"], said["data"]
        is_whole = bool(rows) and isinstance(rows[0], list) and len(rows[0]) == len(names)
        return dict(zip(map(str, names), rows[0], strict=True)) if is_whole else None
    return said[0] if isinstance(said, list) and said else None
