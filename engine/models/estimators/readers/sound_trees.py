"""Trees of a damaged file, which a library may read, and then crash on, walk for ever, or answer by chance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from engine.models.data.array import Array
from engine.spec import FileModel


class DamagedTree(ValueError):
    """A tree that no library writes."""


@contextmanager
def reporting_damage(model: FileModel) -> Iterator[None]:
    """Raise `SpecError` at the file of a model, instead of a `ValueError`, such as `DamagedTree`."""
    try:
        yield
    except ValueError as error:
        raise model.error(f"the model's file is damaged: {error}; save the model again", "file") from None


def require_sound_tree(left: Array, right: Array, feature: Array, width: int) -> None:
    """Raise `DamagedTree` unless each node is reached once at most, from the first one, and asks one of the features.

    A leaf has the child -1 on both sides.
    """
    require_lengths(len(left), right, feature)
    if not len(left):
        raise DamagedTree("a tree has no nodes")
    reached = np.zeros(len(left), bool)
    nodes = np.zeros(1, np.int64)
    while len(nodes):
        if reached[nodes].any() or len(np.unique(nodes)) < len(nodes):
            raise DamagedTree("a tree has two ways to one node")
        reached[nodes] = True
        inner = nodes[(left[nodes] != -1) | (right[nodes] != -1)]
        if ((feature[inner] < 0) | (feature[inner] >= width)).any():
            raise DamagedTree(f"a tree asks other features than the model's {width}")
        nodes = np.concatenate([left[inner], right[inner]])
        if ((nodes < 0) | (nodes >= len(left))).any():
            raise DamagedTree("a tree leads to a node that it does not have")


def require_lengths(count: int, *columns: Sequence[object] | Array) -> None:
    """Raise `DamagedTree` for columns that have not one value for each of so many nodes."""
    if any(len(column) != count for column in columns):
        raise DamagedTree("a tree's columns have different lengths")
