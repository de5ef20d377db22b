"""Dates and times at which their parts change, for the proof of what takes them apart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

COUNT = 300
_FIRST_YEAR, _LAST_YEAR = 1900, 2100
_DAYS = ((1, 1), (1, 2), (1, 3), (2, 28), (3, 1), (3, 31), (4, 1), (6, 30), (7, 1), (10, 1), (12, 30), (12, 31))
_TIMES = (timedelta(), timedelta(hours=12), timedelta(days=1, microseconds=-1), timedelta(seconds=1))


def moments(random: np.random.Generator, written: str) -> tuple[str, ...]:
    """Return such moments, written so: the ends of years, quarters, months and days, leap days, and any others."""
    found = []
    for number in range(COUNT):
        year = int(random.integers(_FIRST_YEAR, _LAST_YEAR))
        day = datetime(year, *_DAYS[number % len(_DAYS)], tzinfo=UTC)
        if number % 3 == 0:
            day += timedelta(days=int(random.integers(366)))
        elif number % 7 == 0:
            day = datetime(year - year % 4, 2, 28, tzinfo=UTC) + timedelta(days=1)
        time = timedelta(microseconds=int(random.integers(86_400 * 10**6)))
        found.append((day + (time if number % 2 else _TIMES[number // 2 % len(_TIMES)])).strftime(written))
    return tuple(found)
