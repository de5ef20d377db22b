"""Rows for trees: each reaches a node with its feature on the threshold or next to it, inside the box of its path."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from engine.models.data.allowed_values import Range
from engine.models.data.array import Array
from engine.models.data.rows import rows_within
from engine.models.lowering.tree_walk import TreeEnsemble
from engine.models.runtime import steps as s
from engine.models.runtime.answer import Refusal
from engine.models.runtime.tree_table import TreeTable

NODES = 4_000
HUGE = 1e300
REACH_SECONDS = 5.0


def threshold_rows(
    walk: TreeEnsemble, ranges: Sequence[Range], spread: Array, random: np.random.Generator
) -> Iterator[Array]:
    """Return such rows for nodes of every tree; `spread` are allowed rows, which show the values of other features."""
    table = walk.table
    inner = np.flatnonzero(~table.is_leaf)
    most = rows_within(NODES, table.width)
    chosen = inner if len(inner) <= most else np.sort(random.choice(inner, most, replace=False))
    lows, highs = boxes_of_nodes(table, chosen)
    outer_low, outer_high = _seen_by_trees(walk, spread)
    low = np.clip(np.maximum(lows, np.minimum(outer_low, highs)), -HUGE, HUGE)
    high = np.clip(np.minimum(highs, np.maximum(outer_high, low)), -HUGE, HUGE)
    rows: Array = random.uniform(low, np.maximum(low, high))
    features, thresholds = table.nodes["feature"][chosen], table.nodes["threshold"][chosen]
    finite = np.isfinite(thresholds)
    rows, features, thresholds = rows[finite], features[finite], thresholds[finite]
    edged = []
    for value in _beside(thresholds):
        moved = rows.copy()
        moved[np.arange(len(rows)), features] = value
        edged.append(moved)
    inverted = _invert(walk.before, np.vstack(edged), spread)
    if inverted is not None:
        yield inverted
        yield from _neighbours(inverted, ranges)


def _neighbours(rows: Array, ranges: Sequence[Range]) -> Iterator[Array]:
    """Add neighbouring values if a scaler before the trees may have rounded, and allowed values if these are few."""
    sample = rows[:: max(1, len(rows) // (2 * rows_within(NODES, rows.shape[1])))]
    for towards in (-np.inf, np.inf):
        yield np.nextafter(sample, towards)
    if any(one.is_discrete for one in ranges):
        for rounding in (np.floor, np.ceil):
            yield fit_rows(sample, ranges, rounding)


def fit_rows(rows: Array, ranges: Sequence[Range], rounding: Callable[[Array], Array] = np.round) -> Array:
    """Move each value to one that its column allows."""
    fitted = rows.copy()
    for place, one in enumerate(ranges):
        if not one.is_free:
            fitted[:, place] = one.fit(rows[:, place], rounding)
    return fitted


def _seen_by_trees(walk: TreeEnsemble, spread: Array) -> tuple[Array, Array]:
    """Find the ranges of the trees' own inputs, as the spread rows show them."""
    width = walk.table.width
    try:
        seen = s.run(walk.before, spread)
    except Refusal:
        seen = np.empty((0, width))
    if not len(seen):
        return np.full(width, -1.0), np.full(width, 1.0)
    finite = np.where(np.isfinite(seen), seen, np.nan)
    with np.errstate(all="ignore"):
        low, high = np.nan_to_num(np.nanmin(finite, axis=0)), np.nan_to_num(np.nanmax(finite, axis=0))
    return low, high


def boxes_of_nodes(table: TreeTable, chosen: Array) -> tuple[Array, Array]:
    """Return, for each chosen node, the bounds within which every feature leads there: two (nodes, width) arrays."""
    parent = np.full(len(table.nodes), -1)
    inner = np.flatnonzero(~table.is_leaf)
    left = table.nodes["left"][inner]
    parent[left] = inner
    parent[left + 1] = inner
    lows = np.full((len(chosen), table.width), -np.inf)
    highs = np.full((len(chosen), table.width), np.inf)
    at = chosen.copy()
    rows = np.arange(len(chosen))
    while True:
        above = parent[at]
        going = above >= 0
        if not going.any():
            return lows, highs
        moving, over = rows[going], above[going]
        features, thresholds = table.nodes["feature"][over], table.nodes["threshold"][over]
        went_left = table.nodes["left"][over] == at[going]
        to_left, to_right = moving[went_left], moving[~went_left]
        highs[to_left, features[went_left]] = np.minimum(highs[to_left, features[went_left]], thresholds[went_left])
        least = np.nextafter(thresholds[~went_left].astype(np.float32), np.float32(np.inf)).astype(np.float64)
        lows[to_right, features[~went_left]] = np.maximum(lows[to_right, features[~went_left]], least)
        at[going] = over


def nodes_reached(walk: TreeEnsemble, rows: Array) -> float:
    """Return the share of an ensemble's nodes that the rows pass, as far as `REACH_SECONDS` allow to look."""
    table = walk.table
    seen = np.zeros(len(table.nodes), bool)
    inputs = s.run(walk.before, rows)
    deadline = time.monotonic() + REACH_SECONDS
    for root in table.roots:
        parts = [(int(root), np.arange(len(inputs)))]
        while parts and time.monotonic() < deadline:
            node, there = parts.pop()
            seen[node] = True
            threshold, feature, left = table.nodes[node].item()
            if left == node:
                continue
            values = inputs[there, feature]
            right = ~(values <= threshold)
            if not table.missing_right[node]:
                right &= ~np.isnan(values)
            parts += [(left + side, part) for side, part in ((0, there[~right]), (1, there[right])) if len(part)]
    return float(seen.mean())


def _beside(thresholds: Array) -> Iterator[Array]:
    """Return each threshold and the numbers next to it, in float64 and in float32."""
    narrow = thresholds.astype(np.float32)
    yield thresholds
    for towards in (-np.inf, np.inf):
        yield np.nextafter(thresholds, towards)
        yield np.nextafter(narrow, np.float32(towards)).astype(np.float64)
    yield narrow.astype(np.float64)


def _invert_branches(step: s.Concatenate, rows: Array, spread: Array) -> Array:
    """Find rows whose selected columns become the given ones; others, and those that no number leads to, are spread."""
    found: Array = spread[np.arange(len(rows)) % len(spread)].copy()
    begin = 0
    for branch in step.branches:
        end = begin + s.run(branch, spread).shape[1]
        if branch and isinstance(branch[0], s.Select):
            inverted = _invert(branch[1:], rows[:, begin:end], s.run(branch[:1], spread))
            if inverted is not None:
                found[:, branch[0].columns] = inverted
        begin = end
    return found


def _invert(steps: Sequence[s.Step], rows: Array, spread: Array) -> Array | None:
    """Find rows that the steps turn into the given ones, as nearly as floats allow; None if that is unknown."""
    inverse = {"add": np.subtract, "subtract": np.add, "multiply": np.divide, "divide": np.multiply}
    for index in range(len(steps) - 1, -1, -1):
        step = steps[index]
        match step:
            case s.Arithmetic():
                with np.errstate(all="ignore"):
                    rows = inverse[step.function](rows, step.by)
            case s.Select():
                width = s.run(tuple(steps[:index]), spread).shape[1]
                full = s.run(tuple(steps[:index]), spread)[np.arange(len(rows)) % len(spread)]
                full = full[:, :width].copy()
                full[:, step.columns] = rows
                rows = full
            case s.Concatenate():
                rows = _invert_branches(step, rows, s.run(tuple(steps[:index]), spread))
            case s.Cast() | s.Check() | s.Clip() | s.Impute() | s.Narrow() | s.WholeAsSingle():
                continue
            case _:
                return None
    return rows
