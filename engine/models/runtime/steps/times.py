"""Steps that take times apart, as pandas does."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from engine.models.data.array import Array
from engine.models.runtime.answer import Refusal
from engine.models.runtime.saved import saved_step

_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)?", re.ASCII)
_NOT_A_TIME = "{!r} is not a date or time such as 2024-01-31 or 2024-01-31T12:00:00"


@saved_step
class Times:
    """Make times of one column of texts, in ISO 8601 without an offset; times stay as they are."""

    def __call__(self, columns: Sequence[Array]) -> list[Array]:
        """Compute; raise `Refusal` for a text that is no such time."""
        cells = columns[0]
        if cells.dtype.kind == "M":
            return [cells]
        return [np.array([_time_of(cell) for cell in cells.tolist()], "datetime64[us]")]


def _time_of(cell: Any) -> Any:
    if cell is None or cell != cell:  # noqa: PLR0124 - NaN
        return np.datetime64("NaT")
    if not isinstance(cell, str) or not _ISO.fullmatch(cell):
        raise Refusal(_NOT_A_TIME.format(cell))
    try:
        return datetime.fromisoformat(cell)
    except ValueError:
        raise Refusal(_NOT_A_TIME.format(cell)) from None


@saved_step
class TimeParts:
    """Return parts of one column of times, each a column of numbers; those of no time are NaN, or `missing`."""

    parts: tuple[str, ...]
    missing: Array
    dtype: str = "float64"

    def __call__(self, columns: Sequence[Array]) -> list[Array]:
        times = columns[0]
        is_gap = np.isnat(times)
        known = np.where(is_gap, np.datetime64(0, "us"), times) if is_gap.any() else times
        moment = _Moment(known)
        made = []
        for part, missing in zip(self.parts, self.missing.tolist(), strict=True):
            values = PARTS[part](moment).astype(self.dtype)
            made.append(np.where(is_gap, np.array(missing, self.dtype), values) if known is not times else values)
        return made


class _Moment:
    """Times, and their days, months and years since 1970, as numbers."""

    def __init__(self, times: Array) -> None:
        self.microseconds = times.astype("datetime64[us]").astype(np.int64)
        self.days = self.microseconds // 86_400_000_000
        self.month_starts, self.months = _starts(self.days, "M")
        self.year_starts, self.years = _starts(self.days, "Y")
        self.rest = self.microseconds - self.days * 86_400_000_000

    @property
    def weekday(self) -> Array:
        computed: Array = (self.days + 3) % 7  # 1970 began on a Thursday
        return computed

    @property
    def month(self) -> Array:
        computed: Array = self.months % 12 + 1
        return computed

    @property
    def days_in_month(self) -> Array:
        following = (self.months + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
        computed: Array = following - self.month_starts
        return computed

    @property
    def day(self) -> Array:
        computed: Array = self.days - self.month_starts + 1
        return computed

    @property
    def is_leap(self) -> Array:
        year = self.years + 1970
        computed: Array = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
        return computed

    @property
    def week(self) -> Array:
        """The number of the week by ISO 8601: the first one has the year's first Thursday."""
        thursday = self.days - self.weekday + 3
        computed: Array = (thursday - _starts(thursday, "Y")[0]) // 7 + 1
        return computed


def _starts(days: Array, unit: str) -> tuple[Array, Array]:
    """Return the first day of each day's month or year, and the number of that."""
    numbers = days.astype("datetime64[D]").astype(f"datetime64[{unit}]")
    return numbers.astype("datetime64[D]").astype(np.int64), numbers.astype(np.int64)


def _ends(moment: _Moment, months: int) -> Array:
    computed: Array = (moment.month % months == 0) & (moment.day == moment.days_in_month)
    return computed


def _begins(moment: _Moment, months: int) -> Array:
    computed: Array = ((moment.month - 1) % months == 0) & (moment.day == 1)
    return computed


PARTS: Mapping[str, Callable[[_Moment], Array]] = {
    "year": lambda moment: moment.years + 1970,
    "semester": lambda moment: (moment.month > 6) + 1,  # noqa: PLR2004
    "quarter": lambda moment: (moment.month - 1) // 3 + 1,
    "month": lambda moment: moment.month,
    "week": lambda moment: moment.week,
    "day": lambda moment: moment.day,
    "weekday": lambda moment: moment.weekday,
    "isoweekday": lambda moment: moment.weekday + 1,
    "day_of_year": lambda moment: moment.days - moment.year_starts + 1,
    "weekend": lambda moment: moment.weekday > 4,  # noqa: PLR2004
    "month_start": lambda moment: _begins(moment, 1),
    "month_end": lambda moment: _ends(moment, 1),
    "quarter_start": lambda moment: _begins(moment, 3),
    "quarter_end": lambda moment: _ends(moment, 3),
    "year_start": lambda moment: _begins(moment, 12),
    "year_end": lambda moment: _ends(moment, 12),
    "leap_year": lambda moment: moment.is_leap,
    "days_in_month": lambda moment: moment.days_in_month,
    "hour": lambda moment: moment.rest // 3_600_000_000,
    "minute": lambda moment: moment.rest // 60_000_000 % 60,
    "second": lambda moment: moment.rest // 1_000_000 % 60,
    "microsecond": lambda moment: moment.rest % 1_000_000,
    "nanosecond": lambda moment: np.zeros(len(moment.days)),
    "total_seconds": lambda moment: moment.microseconds / 1_000_000,
}
