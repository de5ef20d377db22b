"""What each kind of composition says of itself; `kinds` is the table of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.diagnostics import Diagnostic
from engine.spec.composed_records import Composition
from engine.spec.model_records import FileModel
from engine.spec.named_files import Home
from engine.spec.reading.node import Node

Parts = Iterator[tuple[str, Node]]
"""The models that an entry names, each with the node that names it."""


@dataclass(frozen=True, slots=True)
class ComposedEntry:
    """An entry without mistakes: its node, the fields that all models have, and how its own file's model is read."""

    node: Node
    shared: Mapping[str, Any]
    home: Home
    folder: Path
    read_file_model: Callable[[], FileModel]


@dataclass(frozen=True, slots=True)
class CompositionKind:
    """How entries of one kind are recognized, checked and read.

    `parts` are the models that an entry names, where they have the form of names; `check` gets an entry and returns its
    mistakes, beyond the grammar and its parts; `read` makes the record.
    """

    title: str
    is_meant: Callable[[Node], bool]
    parts: Callable[[Node], Parts]
    check: Callable[[Node], Iterator[Diagnostic]]
    read: Callable[[ComposedEntry], Composition]
