"""What a transformer of DataFrames makes of each of its columns → one step, `Apart`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from engine.models.data.array import Array
from engine.models.lowering.result import NotLowered, Steps
from engine.models.runtime import steps as s

MOST_DENSE = 10_000  # words of a row in full
_TAKE_SPARSE = (s.Check, s.Dot, s.Weigh)
_TAKE_COLUMNS = (s.Apart, s.OneHot, s.Ordinal, s.Select)  # they choose columns themselves, or take them apart


def apart(columns: Iterable[tuple[Sequence[int], Steps, int]]) -> s.Apart:
    """Make the step; each of `columns` has the numbers of those that it reads, steps, and how many it makes."""
    branches: list[tuple[list[int], Steps]] = []
    width = 0
    for places, steps, made in columns:
        width += made
        if not steps and branches and not branches[-1][1]:
            branches[-1][0].extend(places)
        else:
            branches.append(([*places], steps))
    return s.Apart(tuple((np.array(places), steps) for places, steps in branches), width)


def changed(names: Sequence[str], changes: Mapping[str, Steps]) -> s.Apart:
    """Make a step that changes some columns, and leaves the others as they are."""
    return apart(((place,), changes.get(name, ()), 1) for place, name in enumerate(names))


def lookup(known: Sequence[Any], found: Any, others: tuple[Any, Any], message: str = "") -> s.Lookup:
    """Make a lookup of cells of one column; `others` are for a missing cell and for every other one, None to refuse."""
    rows = [*np.asarray(found).tolist(), *(found[0] if row is None else row for row in others)]
    refused = np.array([*[False] * len(known), *(row is None for row in others)])
    return s.Lookup(objects(known), _as_array(rows), refused, message)


def _as_array(rows: Sequence[Any]) -> Array:
    array = np.array(rows, object)
    array = array if array.ndim > 1 else array.reshape(-1, 1)
    is_number = all(isinstance(cell, int | float) for row in array.tolist() for cell in row)
    return array.astype(np.float64) if is_number else array


def objects(values: Sequence[Any]) -> Array:
    """Make an array of objects, whatever they are."""
    made = np.empty(len(values), object)
    made[:] = [value.item() if isinstance(value, np.generic) else value for value in values]
    return made


def join_columns(steps: Steps, *, may_be_sparse: bool = True) -> Steps:
    """Make one array of columns that are apart, before every step that needs one, and at the end.

    Words are counted in sparse rows; these are made full too, at the end only where they may not be sparse there.
    """
    joined: list[s.Step] = []
    are_apart, words = False, 0
    for step in steps:
        if are_apart and not _takes_columns(step):
            joined.append(s.Numbers())
        if words and not isinstance(step, _TAKE_SPARSE):
            joined.append(_full(words))
        if isinstance(step, s.Concatenate):
            joined.append(s.Concatenate(tuple(join_columns(branch, may_be_sparse=False) for branch in step.branches)))
        else:
            joined.append(step)
        are_apart = isinstance(step, s.Apart)
        words = len(step.vocabulary) if isinstance(step, s.Words) else words * isinstance(step, s.Check | s.Weigh)
    if words and not may_be_sparse:
        joined.append(_full(words))
    return (*joined, s.Numbers()) if are_apart else tuple(joined)


def _full(words: int) -> s.Step:
    if words > MOST_DENSE:
        raise NotLowered(f"more than {MOST_DENSE:,} words beside other columns, or before a model that is not linear")
    return s.Dense(words)


def _takes_columns(step: s.Step) -> bool:
    if isinstance(step, s.Concatenate):
        return all(branch and _takes_columns(branch[0]) for branch in step.branches)
    return isinstance(step, _TAKE_COLUMNS)
