"""Cells → the values of one feature, in bulk, with doubt about every cell that needs a closer look.

A cell without doubt is valid by the feature's schema, and has the value that an instance would have. A property test
holds that against the validator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import isinf, isnan
from typing import Any, Final

import numpy as np
import orjson

from engine.batch.scoring.record_batch import ABSENT, Integers
from engine.models.data.array import Array
from engine.models.data.csv_file import read_cell
from engine.models.data.dtypes import EXACT, NAN
from engine.schema import Subschema

DOUBT: Final = object()
_MOST_KNOWN = 65_536
_NUMERIC = b"0123456789+-.eE"
_GAPS = frozenset(("NA", "NaN", "nan", "NULL", "null", "None", "N/A", "n/a", "#N/A"))
_NOTES = frozenset(("$comment", "default", "deprecated", "description", "examples", "readOnly", "title", "writeOnly"))
_BOUNDS: Mapping[str, Callable[[Array, float], Array]] = {
    "minimum": np.greater_equal,
    "maximum": np.less_equal,
    "exclusiveMinimum": np.greater,
    "exclusiveMaximum": np.less,
}


def read_text(text: str, takes: Callable[[Any], bool]) -> Any:
    """Read a text as `reference` reads a cell: a number, boolean or text, whichever the schema takes first, or None.

    Integers are exact, as JSON has them, and what is no finite number stays a text.
    """
    value = read_cell(text)
    if value is None:
        return text if _is_infinite(text.strip()) or takes(text) else None
    return next(filter(takes, (value, text)), value)


def _is_infinite(text: str) -> bool:
    """Tell whether a text that `read_cell` takes for a gap is a number that float64 cannot hold."""
    digits = text.lstrip("+-")
    return digits[-1:].isdigit() or digits.lower().startswith("inf")


@dataclass(frozen=True, slots=True)
class Numbers:
    """A schema that says no more of a number than its bounds, and whether it is an integer."""

    bounds: tuple[tuple[str, float], ...]
    whole: bool

    @classmethod
    def of(cls, feature: Subschema) -> Numbers | None:
        """Read a feature's schema; None for one that says more, or that is about other values too."""
        schema = feature.schema  # as it is written: a keyword that is not known here leaves all verdicts to `takes`
        if not isinstance(schema, Mapping) or schema.keys() - _NOTES - _BOUNDS.keys() - {"type"}:
            return None
        bounds = tuple((key, schema[key]) for key in _BOUNDS if key in schema)
        if feature.types - {"null"} != {"number"} or any(abs(bound) >= EXACT for _, bound in bounds):
            return None
        return cls(bounds, feature.is_whole)

    def doubts(self, cells: Array, *, gaps: bool) -> Array | None:
        """Return for each cell of an array whether it is in doubt, None where none is; NaN is a gap, fine if `gaps`."""
        if len(cells) and not self.whole and self._allows(cells.min(), cells.max()) and not _has_minus_zero(cells):
            return None
        with np.errstate(invalid="ignore"):
            fine = np.abs(cells) < EXACT
            for key, bound in self.bounds:
                fine &= _BOUNDS[key](cells, bound)
            if self.whole:
                fine &= cells == np.floor(cells)
        fine &= ~(np.signbit(cells) & (cells == 0))  # JSON has -0 as the integer 0
        if gaps:
            fine |= np.isnan(cells)
        return None if fine.all() else ~fine

    def _allows(self, least: Any, most: Any) -> bool:
        """Return whether all numbers between two are fine; not if one is NaN."""
        is_exact = least > -EXACT and most < EXACT
        return is_exact and all(_BOUNDS[key](least, bound) and _BOUNDS[key](most, bound) for key, bound in self.bounds)


def _has_minus_zero(cells: Array) -> bool:
    zeros = cells == 0
    return bool(zeros.any()) and bool(np.signbit(cells[zeros]).any())


class Field:
    """One feature: `takes` judges its values, and `default` says whether it may be absent, or null."""

    def __init__(self, schema: Subschema, takes: Callable[[Any], bool], *, required: bool, as_floats: bool) -> None:
        self.takes = takes
        self.required = required
        self.nullable = takes(None)
        self._gaps = self.nullable or not required
        self._numbers = Numbers.of(schema) if as_floats else None
        self._texts = _Known(self._text)
        self._values = _Known(self._value)

    @property
    def is_plain_number(self) -> bool:
        """Whether a column of it is judged as an array of floats."""
        return self._numbers is not None

    def instance_cell(self, text: str) -> Any:
        """Return what a text is in an instance: a value, None for null, or `ABSENT`."""
        return self.gap(read_text(text, self.takes) if text else None)

    def gap(self, value: Any) -> Any:
        """Return what a value is in an instance, where None stands for no value."""
        return ABSENT if value is None and not (self.required and self.nullable) else value

    def from_texts(self, cells: Sequence[str]) -> tuple[Any, Array | None]:
        """Read texts; return the values, None or NaN for a gap, and which ones are in doubt."""
        if self._numbers is not None:
            floats = _floats(cells)
            return floats, self._numbers.doubts(floats, gaps=self._gaps)
        return _doubted(list(map(self._texts.__getitem__, cells)), is_sure=self._texts.is_sure)

    def from_values(self, cells: Any, *, has_nulls: bool) -> tuple[Any, Array | None]:
        """Read JSON values, or an array of floats, in the same way; None is null if `has_nulls`."""
        if isinstance(cells, Integers):
            cells = cells.floats() if self._numbers is not None else cells.tolist()
        if isinstance(cells, np.ndarray):
            if self._numbers is not None:
                return cells, self._numbers.doubts(cells, gaps=self._gaps)
            cells = [None if isnan(cell) else str(cell) if isinf(cell) else cell for cell in cells.tolist()]
        if self._numbers is not None and {*map(type, cells)} <= {int, float}:
            try:
                floats = np.array(cells, np.float64)
            except OverflowError:
                return cells, np.ones(len(cells), bool)
            return floats, self._numbers.doubts(floats, gaps=False)
        none = self.nullable if has_nulls else self._gaps
        values = [self._judged(cell) if cell is not None else None if none else DOUBT for cell in cells]
        return _doubted(values, is_sure=False)

    def _judged(self, cell: Any) -> Any:
        if cell is ABSENT:
            return DOUBT if self.required else None
        kind = type(cell)
        if kind in (str, int, float, bool):
            return self._values[kind, cell]
        return cell if self.takes(cell) else DOUBT

    def _text(self, text: str) -> Any:
        value = read_text(text, self.takes) if text else None
        if value is None:
            return None if self._gaps else DOUBT
        return value if self.takes(value) else DOUBT

    def _value(self, key: tuple[type, Any]) -> Any:
        return key[1] if self.takes(key[1]) else DOUBT


class _Known(dict[Any, Any]):
    """Values by what they were read from, up to a number; `is_sure` while none is in doubt."""

    def __init__(self, read: Callable[[Any], Any]) -> None:
        super().__init__()
        self._read = read
        self.is_sure = True

    def __missing__(self, key: Any) -> Any:
        value = self._read(key)
        if value is DOUBT:
            self.is_sure = False
        if len(self) < _MOST_KNOWN:
            self[key] = value
        return value


def _doubted(values: list[Any], *, is_sure: bool) -> tuple[list[Any], Array | None]:
    if is_sure:
        return values, None
    doubts = np.fromiter((value is DOUBT for value in values), bool, len(values))
    return values, doubts if doubts.any() else None


def _floats(cells: Sequence[str]) -> Array:
    """Read texts as floats: NaN for a gap, infinity for what is in doubt."""
    if (floats := _json_floats(cells)) is not None:
        return floats
    for texts in (cells, ["" if cell in _GAPS else cell for cell in cells]) if _has_words(cells) else (cells,):
        if not _has_words(texts):
            with suppress(ValueError):
                return np.fromiter(map(float, texts), np.float64, len(texts))
            with suppress(ValueError):
                return np.fromiter((float(cell or "nan") for cell in texts), np.float64, len(texts))
    return np.fromiter(map(_float, cells), np.float64, len(cells))


def _json_floats(cells: Sequence[str]) -> Array | None:
    """Read cells that are numbers of JSON, or empty, all at once; None where others are among them."""
    for texts in (cells, [cell or "null" for cell in cells]):
        with suppress(orjson.JSONDecodeError):
            values = orjson.loads(f"[{','.join(texts)}]")
            # A cell with a comma, a quote, a bracket or a word in it gives more values, or others.
            if len(values) == len(cells) and {*map(type, values)} <= {float, int, type(None)}:
                return np.array(values, np.float64)
            return None
    return None


def _has_words(cells: Sequence[str]) -> bool:
    """Whether there is more in the cells than ASCII numbers: Python's float reads words, underscores, other digits."""
    return bool("".join(cells).encode().translate(None, _NUMERIC))


def _float(text: str) -> float:
    value = read_cell(text)
    if value is None:
        return float("inf") if _is_infinite(text.strip()) else NAN
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else float("inf")
