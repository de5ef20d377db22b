"""The columns of a table that a booster was trained on: categories become their codes, all others floats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from engine.models.lowering.result import Lower, Steps
from engine.models.runtime import steps as s
from engine.models.runtime.tree_table import TreeTable


def walk_columns(table: TreeTable, categories: Mapping[int, Sequence[Any]], lower: Lower) -> Steps:
    """Return the steps from rows to the sums of a booster's trees.

    `categories` are those of the columns that have any, by the columns' numbers; any other value is a missing one.
    """
    if not categories:
        return (s.WholeAsSingle(), lower.trees(table))
    coded = sorted(categories)
    others = [place for place in range(table.width) if place not in categories]
    known = tuple(np.array(categories[place], object) for place in coded)
    codes = tuple(np.append(np.arange(float(len(values))), np.nan) for values in known)
    branches: list[Steps] = [(s.Select(np.array(coded), apart=True), s.Ordinal(known, codes, refuse=False))]
    branches += [(s.Select(np.array(others)), s.Cast())] if others else []
    moved = np.empty(table.width, np.int32)
    moved[[*coded, *others]] = np.arange(table.width)
    nodes = table.nodes.copy()
    nodes["feature"] = moved[nodes["feature"]]
    return (s.Concatenate(tuple(branches)), lower.trees(replace(table, nodes=nodes)))
