"""Files of joblib.dump or pickle.dump, compressed or not; joblib reads both."""

from __future__ import annotations

import io
from typing import Any

import joblib

from engine.spec import FileModel


def read(data: bytes, model: FileModel) -> Any:  # noqa: ARG001 - the shape of every reader
    """Read the object in a file's bytes, which runs the code in it; unpickling may raise anything."""
    return joblib.load(io.BytesIO(data))
