"""The rows that a candidate must answer as scikit-learn does, chosen to break it.

Declared examples and reference rows; rows over the ranges that the schema or the model gives; and, for trees,
rows that reach a node with its feature on the threshold and next to it, the others inside the box of its path.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.errors import RefusedInstance
from engine.jsonschemas import types_of
from engine.models import steps as s
from engine.models.instances import Columns
from engine.models.predictor import Refusal
from engine.models.reference import reference_instances
from engine.models.trees import Array, TreeTable
from engine.spec import Model
from engine.validation import Validator

SEED = 1234
SPREAD_ROWS = 4_000
EDGE_NODES = 4_000
TEXTS = 1_000
HARD_FEATURES = 12
HUGE = 1e300
WIDEST = 1e307  # the numbers between three times this and its negative can be drawn: their span is a float
REACH_SECONDS = 5.0
FLOAT32_MAX = float(np.finfo(np.float32).max)
_TIMES = ("2024-01-01T00:00:00Z", "1999-12-31T23:59:59Z", "2024-02-29T12:30:15.123456Z", "2030-07-01T06:00:00Z")
_MAGNITUDES = (FLOAT32_MAX, 3.4028235677973366e38, 1e39, -1e39, 1e300, -1.7976931348623157e308, 5e-324, 0.0, -0.0)


@dataclass(frozen=True, slots=True)
class Range:
    """What the values of a feature may be: between two bounds, whole numbers only, or one of some choices."""

    low: float
    high: float
    whole: bool = False
    choices: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Walk:
    """A tree ensemble inside a program, with the steps that lead to it."""

    before: tuple[s.Step, ...]
    table: TreeTable


@dataclass(frozen=True, slots=True)
class ProofRows:
    """`plain` are compared together; each of `hard` is asked alone, since scikit-learn may refuse it."""

    plain: Any
    hard: list[Any]


class RowMaker:
    """Makes a model's proof rows in the form that its `Columns` give."""

    def __init__(self, model: Model, columns: Columns, learnt: Mapping[int, tuple[float, float]]) -> None:
        self._model = model
        self._columns = columns
        self._random = np.random.default_rng(SEED)
        self._names = columns.names
        properties = model.input.document.get("properties", {})
        item = model.input.document.get("items", {})
        width = columns.count or 0
        self._ranges = [
            _range(properties.get(self._names[place], {}) if self._names else item, learnt.get(place))
            for place in range(width)
        ]
        self._valid = Validator(model.input.document).is_valid

    def rows(self, walk: Walk | None, texts: Sequence[str]) -> ProofRows:
        """Make all rows; `texts` are words and categories that the model knows."""
        real = filter(self._valid, reference_instances(self._model))
        declared = self._taken([*(example.input for example in self._model.examples), *real])
        if self._columns.form == "texts":
            return ProofRows([*declared, *self._texts(texts)], [])
        if self._columns.count is None:
            return ProofRows(self._columns.convert(declared) if declared else [], [])
        if self._columns.form in ("table", "mappings"):
            return ProofRows(self._columns.convert([*declared, *self._taken([*self._records(texts)])]), [])
        spread = self._spread()
        parts = [self._columns.convert(declared)] * bool(declared) + [spread]
        if walk is not None:
            parts.append(self._edges(walk))
        plain = self._as_fed(self._permitted(np.vstack(parts)))
        typical = plain[0].copy() if len(plain) else spread[0]
        typical = typical.astype(np.float64) if typical.dtype.kind != "O" else typical
        hard = self._as_fed(self._permitted(self._hard(typical)))
        return ProofRows(plain, [row.reshape(1, -1) for row in hard])

    def _taken(self, instances: list[Any]) -> list[Any]:
        """Leave out the instances that columns of their dtypes cannot hold."""

        def is_taken(instance: Any) -> bool:
            try:
                self._columns.convert([instance])
            except RefusedInstance:
                return False
            return True

        return [instance for instance in instances if is_taken(instance)]

    def _as_fed(self, rows: Array) -> Array:
        """Give rows the dtype of the model's arrays; leave out those that have none in it."""
        dtype = np.dtype(self._columns.array)
        if dtype.kind in "fO":
            return rows.astype(dtype)
        least, most = (0, 1) if dtype.kind == "b" else (-(2**53), 2**53)
        kept = ((rows >= least) & (rows <= most) & (rows == np.rint(rows))).all(axis=1)
        return rows[kept].astype(dtype)

    def _spread(self) -> Array:
        """Draw rows inside the ranges, beyond them, rounded, and of every magnitude."""
        width = len(self._ranges)
        low: Array = np.array([one.low for one in self._ranges])
        high: Array = np.array([one.high for one in self._ranges])
        span = np.maximum(high - low, 1e-9)
        random, quarter = self._random, SPREAD_ROWS // 4
        inside = random.uniform(low, high, (2 * quarter, width))
        inside[::3] = np.round(inside[::3], 1)
        inside[1::6] = np.round(inside[1::6])
        beyond = random.uniform(low - span, high + span, (quarter, width))
        wild = random.choice([-1.0, 1.0], (quarter, width)) * 10 ** random.uniform(-6, 12, (quarter, width))
        mixed = np.where(random.random((quarter, width)) < 0.2, wild, random.uniform(low, high, (quarter, width)))  # noqa: PLR2004
        rows = np.vstack([inside, beyond, mixed])
        for place, one in enumerate(self._ranges):
            if one.choices:
                rows[:, place] = random.choice(one.choices, len(rows))
            elif one.whole:
                rows[:, place] = np.round(rows[:, place])
        if self._columns.gaps:
            gaps = random.random(rows.shape) < 0.1  # noqa: PLR2004
            rows[::2][gaps[::2]] = np.nan
        return rows

    def _edges(self, walk: Walk) -> Array:
        """For nodes of every tree, draw a row inside the node's box and put it on its threshold and beside it."""
        table = walk.table
        width = table.width
        inner = np.flatnonzero(~table.is_leaf)
        chosen = inner if len(inner) <= EDGE_NODES else np.sort(self._random.choice(inner, EDGE_NODES, replace=False))
        lows, highs = boxes(table, chosen)
        outer_low, outer_high = self._tree_ranges(walk, width)
        low = np.clip(np.maximum(lows, np.minimum(outer_low, highs)), -HUGE, HUGE)
        high = np.clip(np.minimum(highs, np.maximum(outer_high, low)), -HUGE, HUGE)
        rows: Array = self._random.uniform(low, np.maximum(low, high))
        features, thresholds = table.nodes["feature"][chosen], table.nodes["threshold"][chosen]
        finite = np.isfinite(thresholds)
        rows, features, thresholds = rows[finite], features[finite], thresholds[finite]
        edged = []
        for value in _beside(thresholds):
            moved = rows.copy()
            moved[np.arange(len(rows)), features] = value
            edged.append(moved)
        inverted = _invert(walk.before, np.vstack(edged), self._spread())
        if inverted is None:
            return np.empty((0, len(self._ranges)))
        return np.vstack([inverted, *self._neighbours(inverted)])

    def _neighbours(self, rows: Array) -> Iterator[Array]:
        """Step a little aside where a scaler in front may have rounded, and to whole numbers where these count."""
        sample = rows[:: max(1, len(rows) // (2 * EDGE_NODES))]
        for towards in (-np.inf, np.inf):
            yield np.nextafter(sample, towards)
        if any(one.whole for one in self._ranges):
            whole = np.array([one.whole for one in self._ranges])
            yield np.where(whole, np.floor(sample), sample)
            yield np.where(whole, np.ceil(sample), sample)

    def _tree_ranges(self, walk: Walk, width: int) -> tuple[Array, Array]:
        """Say between which values the trees' own inputs lie, as the spread rows show."""
        try:
            seen = s.run(walk.before, self._spread()[: SPREAD_ROWS // 2])
        except Refusal:
            return np.full(width, -1.0), np.full(width, 1.0)
        finite = np.where(np.isfinite(seen), seen, np.nan)
        with np.errstate(all="ignore"):
            low, high = np.nan_to_num(np.nanmin(finite, axis=0)), np.nan_to_num(np.nanmax(finite, axis=0))
        return low, high

    def _hard(self, typical: Array) -> Array:
        """Take one row through extremes, one feature at a time, and missing values where they may come."""
        places = list(range(len(typical)))
        if len(typical) > HARD_FEATURES:
            places = sorted(self._random.choice(len(typical), HARD_FEATURES, replace=False).tolist())
        rows = [np.zeros_like(typical)]
        values = [*_MAGNITUDES, *([np.nan] if self._columns.gaps else [])]
        for place in places:
            for value in values:
                row = typical.copy()
                row[place] = value
                rows.append(row)
        rows += [np.full_like(typical, value) for value in values]
        return np.array(rows)

    def _permitted(self, rows: Array) -> Array:
        """Keep the rows whose instance is valid by the schema; all of them where hardly one is."""
        whole = [one.whole or bool(one.choices) for one in self._ranges]

        def instance(row: list[float]) -> Any:
            cells = [
                None if cell != cell else int(cell) if kind and abs(cell) < 1e15 and cell.is_integer() else cell  # noqa: PLR0124, PLR2004
                for cell, kind in zip(row, whole, strict=True)
            ]
            if self._names is None:
                return cells if self._model.input.document.get("type") == "array" else cells[0]
            return {name: cell for name, cell in zip(self._names, cells, strict=True) if cell is not None}

        kept = np.array([self._valid(instance(row)) for row in rows.tolist()], dtype=bool)
        return rows[kept] if kept.sum() * 100 >= len(rows) else rows

    def _texts(self, words: Sequence[str]) -> Iterator[str]:
        """Put known and unknown words together."""
        words = [*words, "zzz", "é", "日本", "don't", "x" * 40, "123", "a.b,c", "ÀÉ", "\n", ""]
        for number in range(TEXTS):
            chosen = self._random.choice(words, self._random.integers(0, 12))
            text = (" " if number % 3 else ", ").join(chosen)
            for variant in (text, text.upper() if number % 5 == 0 else text.title()):
                if self._valid(variant):
                    yield variant

    def _records(self, categories: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        """Make objects of numbers and categories, known and unknown, with gaps."""
        properties = self._model.input.document.get("properties", {})
        required = set(self._model.input.document.get("required", ()))
        numbers = self._spread()
        for row in numbers[: SPREAD_ROWS // 2].tolist():
            record = {}
            for place, name in enumerate(self._names or ()):
                if choices := self._choices(name, properties[name], categories):
                    record[name] = choices[self._random.integers(len(choices))]
                else:
                    record[name] = (
                        int(row[place]) if self._ranges[place].whole and row[place] == row[place] else row[place]
                    )
                gap = record[name] != record[name] or self._random.random() < 0.1  # noqa: PLR2004
                if gap and name not in required:
                    del record[name]
            if self._valid(record):
                yield record

    def _choices(self, name: str, schema: Any, categories: Sequence[str]) -> list[Any]:
        """Give the values that a column is given: those that its schema lists, or the model knows, and others."""
        dtype = self._columns.dtypes.get(name)
        named = [*(schema.get("enum") or ())] if isinstance(schema, Mapping) else []
        if named or (dtype is not None and dtype.kind == "datetime"):
            return named or [*_TIMES]
        known = [*dtype.values] if dtype is not None else []
        if name in self._columns.texts:
            types = types_of(schema, self._model.input.document)
            return [True, False] if types <= {"boolean", "null"} else [*(known or categories), "zzz"]
        return [*known, 0] if known else []


def boxes(table: TreeTable, chosen: Array) -> tuple[Array, Array]:
    """Give, for each chosen node, the bounds within which every feature leads there: two (nodes, width) arrays."""
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


def nodes_reached(walk: Walk, rows: Array) -> float:
    """Give the share of an ensemble's nodes that the rows go through, as far as `REACH_SECONDS` allow to look."""
    table = walk.table
    seen = np.zeros(len(table.nodes), bool)
    leaf = table.is_leaf
    inputs = s.run(walk.before, rows)
    deadline = time.monotonic() + REACH_SECONDS
    for root in table.roots:
        cells, at = inputs, np.full(len(inputs), root)
        while len(at) and time.monotonic() < deadline:
            seen[at] = True
            inner = ~leaf[at]
            cells, at = cells[inner], at[inner]
            values = cells[np.arange(len(cells)), table.nodes["feature"][at]]
            right = np.where(np.isnan(values), table.missing_right[at], ~(values <= table.nodes["threshold"][at]))
            at = table.nodes["left"][at] + right.astype(at.dtype)
    return float(seen.mean())


def _range(schema: Any, learnt: tuple[float, float] | None) -> Range:
    schema = schema if isinstance(schema, Mapping) else {}
    numbers = [_cut(value) for value in schema.get("enum", ()) if isinstance(value, int | float)]
    if numbers:
        return Range(min(numbers), max(numbers), choices=tuple(numbers))
    low, high = learnt or (-3.0, 3.0)
    low = _cut(schema.get("minimum", schema.get("exclusiveMinimum", low)))
    high = _cut(schema.get("maximum", schema.get("exclusiveMaximum", max(high, low + 1e-9))))
    whole = schema.get("type") == "integer" or schema.get("type") == ["integer", "null"]
    return Range(low, max(low, high), whole)


def _cut(value: float) -> float:
    """Give the nearest number that rows are drawn from; a schema's may be larger than any float."""
    return float(max(-WIDEST, min(value, WIDEST)))


def _beside(thresholds: Array) -> Iterator[Array]:
    """Give each threshold and the numbers next to it, in float64 and in float32."""
    narrow = thresholds.astype(np.float32)
    yield thresholds
    for towards in (-np.inf, np.inf):
        yield np.nextafter(thresholds, towards)
        yield np.nextafter(narrow, np.float32(towards)).astype(np.float64)
    yield narrow.astype(np.float64)


def _invert(steps: Sequence[s.Step], rows: Array, spread: Array) -> Array | None:
    """Find rows that the steps turn into the given ones, as nearly as floats allow; None where that is unknown."""
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
            case s.Check() | s.Narrow() | s.Impute() | s.Clip():
                continue
            case _:
                return None
    return rows
