"""Which of several media types a client accepts (RFC 9110, section 12.5.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

MAX_ACCEPT = 1000  # characters of an Accept header that are read
_RANGE = re.compile(r"\s*([^\s/;,\"]+/[^\s/;,\"]+)\s*(?:;|$)")
_QUALITY = re.compile(r";\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*(?:;|$)")

Range = tuple[str, float]
"""A media range, such as `text/*`, and its quality."""


def choose_type(accept: str, types: Sequence[str]) -> int | None:
    """Return the index of the type that an Accept header prefers, the first of equal ones; None if it takes none.

    Parameters of a media range, such as a charset, are ignored, as is a header without any range.
    """
    ranges = list(_read_ranges(accept[:MAX_ACCEPT]))
    if not ranges:
        return 0
    rated = [_rate(media_type, ranges) for media_type in types]
    best = max(rated)
    return rated.index(best) if best > (0.0, 2) else None


def _read_ranges(accept: str) -> Iterator[Range]:
    for item in accept.lower().split(","):
        found, quality = _RANGE.match(item), _QUALITY.search(item)
        if found is not None:
            yield found[1], float(quality[1]) if quality is not None else 1.0


def _rate(media_type: str, ranges: Sequence[Range]) -> tuple[float, int]:
    """Return the quality that the most specific range gives a type, and how specific that is, from 0 to 2."""
    wider = ("*/*", f"{media_type.partition('/')[0]}/*", media_type)
    found = [(wider.index(name), quality) for name, quality in ranges if name in wider]
    specific, quality = max(found, default=(0, 0.0))
    return quality, specific
