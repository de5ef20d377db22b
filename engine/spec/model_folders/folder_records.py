"""What the description of a model folder says: plain records, not yet held against the folder's files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

SignedKind = Literal["number", "integer", "boolean", "string"]


@dataclass(frozen=True, slots=True)
class SignedColumn:
    """A column of a signature; `kind` is the JSON type of its values, None if that is not said.

    `written` is the type's name in the signature, such as `long`. `is_time` says that its texts are dates and times.
    """

    name: str
    kind: SignedKind | None
    written: str = ""
    required: bool = True
    is_time: bool = False


@dataclass(frozen=True, slots=True)
class Signature:
    """The rows that a model takes, by its description: named `columns`, or `count` columns without names.

    `count` is None for any number; `kind` is the type of the values of nameless columns, None if they differ.
    """

    columns: tuple[SignedColumn, ...] = ()
    count: int | None = None
    kind: SignedKind | None = None


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model folder by its `description`, which is the name of a file in it.

    `files` are those that describe it, as they were read. `format` is that of its `file`, and `class_name` the class
    that is to read it, empty if the file knows that. `code` is the folder of the model's own modules, `predict` the
    method that answers. `versions` are those of the libraries that wrote the model, by their distributions. `example`
    is an instance, or `example_file` contains one.
    """

    path: Path
    files: Mapping[str, bytes]
    description: str
    format: str
    file: str
    class_name: str = ""
    code: str | None = None
    predict: str = "predict"
    signature: Signature | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    example: Any = None
    example_file: str | None = None
