"""The rows that a candidate must answer as scikit-learn does, chosen to break it; the schema allows all of them.

Declared examples and reference rows; rows spread over the ranges of the schema or the model; and, for trees, rows that
reach a node with its feature on the threshold and next to it, the others inside the box of its path.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from engine.errors import RefusedInstance
from engine.models.data.allowed_values import Range, ranges_of
from engine.models.data.array import Array
from engine.models.data.instances import Columns
from engine.models.data.reference import MAX_CELLS, allowed_instances
from engine.models.data.rows import count_rows, rows_within
from engine.models.lowering.tree_walk import TreeEnsemble
from engine.models.proving.learnt_ranges import learnt_thresholds
from engine.models.proving.moments import moments
from engine.models.proving.tree_rows import fit_rows, threshold_rows
from engine.schema.samples import TIMES
from engine.spec import FileModel

_FORMATS = (TIMES["date"], TIMES["date-time"])
SEED = 1234
SPREAD_ROWS = 4_000
TEXTS = 1_000
HARD_FEATURES = 12
FLOAT32_MAX = float(np.finfo(np.float32).max)
_MAGNITUDES = (FLOAT32_MAX, 3.4028235677973366e38, 1e39, -1e39, 1e300, -1.7976931348623157e308, 5e-324, 0.0, -0.0)


@dataclass(frozen=True, slots=True)
class ProofRows:
    """`plain` rows are compared together; each of `hard` is asked alone, since scikit-learn may refuse it.

    `instances` are the instances of `plain`, the `declared` ones (examples and reference) first.
    """

    plain: Any
    hard: list[Any]
    instances: Sequence[Any] = ()
    declared: int = 0


class RowMaker:
    """Makes a model's proof rows in the form of its `Columns`.

    `learnt` are the ranges that the model has seen, by the numbers of its columns, and `categories` those that its
    encoders know of a column.
    """

    def __init__(
        self,
        model: FileModel,
        columns: Columns,
        learnt: Mapping[int, tuple[float, float]],
        categories: Mapping[int, Sequence[Any]] | None = None,
    ) -> None:
        self._model = model
        self._columns = columns
        self._random = np.random.default_rng(SEED)
        instance = model.input.instance
        width = columns.count or (instance.least_items if instance.form == "array" else 0)
        self._ranges = ranges_of(instance, columns.names, width, learnt)
        self._writers = [(place, one.writer()) for place, one in enumerate(self._ranges) if one.is_discrete]
        self._required = instance.required
        self._dtypes = [columns.dtypes.get(name) for name in columns.names or ()]
        recorded = {place: one.values for place, one in enumerate(self._dtypes) if one is not None and one.values}
        self._categories: Mapping[int, Sequence[Any]] = {**recorded, **(categories or {})}
        self._numbers_known = {
            place: [float(one) for one in known if isinstance(one, int | float) and one == one]  # noqa: PLR0124 - NaN
            for place, known in self._categories.items()
        }
        self._valid = model.input.validator().is_valid
        self._moments = (moments(self._random, "%Y-%m-%dT%H:%M:%S.%fZ"), moments(self._random, "%Y-%m-%d"))

    def rows(self, walk: TreeEnsemble | None, texts: Sequence[str]) -> ProofRows:
        """Make all rows; `texts` are words and categories that the model knows."""
        examples = [example.input for example in self._model.examples]
        most = MAX_CELLS // max(len(self._ranges), 1) + 1
        declared = self._taken([*examples, *islice(allowed_instances(self._model), most)])
        hard: list[Any] = []
        if self._columns.form == "texts":
            made_up: list[Any] = [*self._texts(texts)]
        elif self._columns.form != "array" or any(one.is_text for one in self._ranges):
            made_up = [*self._records(texts, walk)]
        else:
            made_up, hard = self._numbers(walk)
        instances = [*declared, *self._taken(made_up)]
        plain = self._columns.convert(instances) if instances else []
        return ProofRows(plain, [self._columns.convert([one]) for one in self._taken(hard)], instances, len(declared))

    def usual(self, texts: Sequence[str]) -> list[Any]:
        """Make plausible instances: inside the ranges, of known categories, some with missing values."""
        if self._columns.form == "texts":
            return [*self._texts(texts)]
        if self._columns.form != "array" or any(one.is_text for one in self._ranges):
            return [*self._records(texts)]
        if not self._ranges:
            return []
        return [*self._allowed(np.vstack([self._tame(), self._inside(), self._gapped(self._inside()[::4])]))]

    def _taken(self, instances: list[Any]) -> list[Any]:
        """Leave out the instances that columns of their dtypes cannot hold."""
        try:
            are_taken = not instances or count_rows(self._columns.convert(instances)) == len(instances)
        except RefusedInstance:
            are_taken = False
        return instances if are_taken else [*filter(self._is_taken, instances)]

    def _is_taken(self, instance: Any) -> bool:
        """Return whether an instance becomes a row; a declared one that does not is reported where it is run."""
        try:
            return count_rows(self._columns.convert([instance])) == 1
        except RefusedInstance:
            return False

    def _numbers(self, walk: TreeEnsemble | None) -> tuple[list[Any], list[Any]]:
        """Make instances of numbers, and those to be asked alone."""
        if not self._ranges:
            return [], []
        tame, inside = self._tame(), self._inside()
        parts = [tame, inside, self._outside()]
        if walk is not None:
            parts += threshold_rows(walk, self._ranges, inside, self._random)
        if self._gap_places().any():
            parts.append(self._gapped(np.vstack(parts[1:3])[::2]))
        return [*self._allowed(np.vstack(parts))], [*self._allowed(self._hard(tame[0]))]

    def _gap_places(self) -> Array:
        return np.array([one.gap for one in self._ranges])

    def _gapped(self, rows: Array) -> Array:
        """Leave out a tenth of the values that may be missing."""
        return np.where((self._random.random(rows.shape) < 0.1) & self._gap_places(), np.nan, rows)  # noqa: PLR2004

    def _tame(self) -> Array:
        """Return rows that a model hardly ever refuses: the middle, the bounds, all zeros and all ones."""
        low, high = self._bounds()
        rows = np.vstack([low / 2 + high / 2, low, high, np.zeros_like(low), np.ones_like(low)])
        return self._known(rows)

    def _bounds(self) -> tuple[Array, Array]:
        return np.array([one.low for one in self._ranges]), np.array([one.high for one in self._ranges])

    def _inside(self) -> Array:
        """Draw rows inside the ranges, some of them rounded."""
        low, high = self._bounds()
        rows = self._random.uniform(low, high, (rows_within(SPREAD_ROWS, len(low)) // 2, len(low)))
        rows[::3] = np.round(rows[::3], 1)
        rows[1::6] = np.round(rows[1::6])
        rows = self._chosen(rows)
        rows[: len(rows) // 2] = self._known(rows[: len(rows) // 2])
        return rows

    def _outside(self) -> Array:
        """Draw rows beyond the ranges, if the schema sets no bounds, and of every magnitude."""
        low, high = self._bounds()
        span = np.maximum(high - low, 1e-9)
        random, size = self._random, (rows_within(SPREAD_ROWS, len(low)) // 4, len(low))
        beyond = random.uniform(low - span, high + span, size)
        wild = random.choice([-1.0, 1.0], size) * 10 ** random.uniform(-6, 12, size)
        mixed = np.where(random.random(size) < 0.2, wild, random.uniform(low, high, size))  # noqa: PLR2004
        return self._chosen(np.vstack([beyond, mixed]))

    def _known(self, rows: Array) -> Array:
        """Put numbers that the model knows as categories into their columns."""
        for place, numbers in self._numbers_known.items():
            if numbers:
                rows[:, place] = self._random.choice(numbers, len(rows))
        return fit_rows(rows, self._ranges)

    def _chosen(self, rows: Array) -> Array:
        """Move values to allowed ones; if there are choices, all are equally likely."""
        for place, one in enumerate(self._ranges):
            if one.choices and not one.is_text:
                rows[:, place] = self._random.choice(list(map(float, one.choices)), len(rows))
        return fit_rows(rows, self._ranges)

    def _hard(self, typical: Array) -> Array:
        """Vary one row: extremes and bounds, one feature at a time, and missing values if they are allowed."""
        places = list(range(len(typical)))
        if len(typical) > HARD_FEATURES:
            places = sorted(self._random.choice(len(typical), HARD_FEATURES, replace=False).tolist())
        rows = [np.zeros_like(typical)]
        for place in places:
            for value in (*_MAGNITUDES, *_ends(self._ranges[place]), np.nan):
                row = typical.copy()
                row[place] = value
                rows.append(row)
        rows += [np.full_like(typical, value) for value in (*_MAGNITUDES, np.nan)]
        return np.array(rows)

    def _allowed(self, rows: Array) -> Iterator[Any]:
        """Return the instances of rows, those that the schema allows."""
        return filter(self._valid, map(self._instance, rows.tolist()))

    def _instance(self, row: Sequence[float]) -> Any:
        cells: list[Any] = [*row]
        for place, write in self._writers:
            cells[place] = write(cells[place])
        names = self._columns.names
        if math.isnan(sum(row)):
            cells = [None if cell != cell else cell for cell in cells]  # noqa: PLR0124 - NaN
        elif names is not None:
            return dict(zip(names, cells, strict=True))
        if names is None:
            return cells if self._model.input.instance.form == "array" else cells[0]
        pairs = zip(names, cells, strict=True)
        return {name: cell for name, cell in pairs if cell is not None or name in self._required}

    def _texts(self, words: Sequence[str]) -> Iterator[str]:
        """Put known and unknown words together."""
        words = [*words, "zzz", "é", "日本", "don't", "x" * 40, "123", "a.b,c", "ÀÉ", "\n", ""]
        for number in range(TEXTS):
            chosen = self._random.choice(words, self._random.integers(0, 12))
            text = (" " if number % 3 else ", ").join(chosen)
            for variant in (text, text.upper() if number % 5 == 0 else text.title()):
                if self._valid(variant):
                    yield variant

    def _records(self, words: Sequence[str], walk: TreeEnsemble | None = None) -> Iterator[Any]:
        """Make instances of numbers and texts, known and unknown, with missing values; the first tenth are ordinary."""
        parts = [self._tame(), self._inside()] if self._ranges else []
        if parts and walk is not None:
            parts.append(self._at_thresholds(walk, parts[1].copy()))
        rows = np.vstack(parts).tolist() if parts else []
        for number, row in enumerate(rows):
            instance = self._instance(row)
            for place, one in enumerate(self._ranges):
                is_tame = number < len(rows) // 10
                key = self._columns.names[place] if self._columns.names is not None else place
                if one.is_text:
                    instance[key] = self._text(place, words, is_tame=is_tame)
                if one.gap and not is_tame and self._random.random() < 0.1:  # noqa: PLR2004
                    if key in self._required or key == place:
                        instance[key] = None
                    else:
                        del instance[key]
            if self._valid(instance):
                yield instance

    def _at_thresholds(self, walk: TreeEnsemble, rows: Array) -> Array:
        """Move half of the numbers to a threshold of their column, or to the numbers next to it."""
        for place, thresholds in learnt_thresholds(walk, len(self._ranges)).items():
            moved = np.flatnonzero(self._random.random(len(rows)) < 0.5)  # noqa: PLR2004
            chosen = self._random.choice(thresholds, len(moved))
            towards = self._random.choice([-np.inf, np.inf], len(moved))
            beside = self._random.random(len(moved)) < 0.5  # noqa: PLR2004
            rows[moved, place] = np.where(beside, np.nextafter(chosen, towards), chosen)
        return fit_rows(rows, self._ranges)

    def _text(self, place: int, words: Sequence[str], *, is_tame: bool) -> Any:
        known = self._ranges[place].choices or self._categories.get(place, ())
        dtype = self._dtypes[place] if self._dtypes else None
        choices = self._ranges[place].choices
        if choices in _FORMATS or (not choices and dtype is not None and dtype.kind == "datetime"):
            known = (choices or TIMES["date-time"], self._moments[choices == TIMES["date"]])[self._random.integers(2)]
            return known[self._random.integers(len(known))]
        is_known = bool(known) and (is_tame or bool(self._ranges[place].choices))
        number = int(self._random.integers(len(known) if is_known else len(known) + len(words) + 1))
        if number < len(known):
            return known[number]
        return words[number - len(known)] if number < len(known) + len(words) else "zzz"


def _ends(one: Range) -> list[float]:
    """Return the bounds of a column and the numbers next to them."""
    ends = [bound for bound in (one.least, one.most) if np.isfinite(bound)]
    return [float(value) for end in ends for value in (end, np.nextafter(end, -np.inf), np.nextafter(end, np.inf))]
