"""Texts of the formats for dates and times, from which values are made up; the first of each serves as an example."""

from __future__ import annotations

from collections.abc import Mapping

TIMES: Mapping[str, tuple[str, ...]] = {
    "date": ("2024-01-31", "2024-02-29", "2023-12-31", "2000-03-01", "1999-07-15", "2031-11-05"),
    "date-time": (
        "2024-01-31T12:00:00Z",
        "2024-01-01T00:00:00Z",
        "1999-12-31T23:59:59Z",
        "2024-02-29T12:30:15.123456Z",
        "2030-07-01T06:00:00Z",
        "1999-12-31T00:00:00+02:00",
    ),
    "time": ("12:00:00Z", "00:00:00Z", "23:59:59.5Z"),
}
