"""Count the ways to split a text among the parameters of a rule, which Werkzeug tries one by one.

It does so before an API key is required, so a rule with too many ways is refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from werkzeug.routing import AnyConverter, BaseConverter, FloatConverter, IntegerConverter, PathConverter, UUIDConverter

MAX_WAYS = 48  # at each place of a URL
_BOUNDED = re.compile(r"\[\^/\]\{(\d+)(?:,(\d+))?\}")
_TOO_MANY = (
    "a client could make this rule take seconds: there are too many ways to split a text among its parameters; "
    'put a "/" between them, make them <int:name>, or bound all but one, as in <string(maxlength=20):name>'
)


Run = Sequence[str | BaseConverter]
"""Texts and parameters that are matched together: a segment, or all from the first path on."""


def check_splits(run: Run) -> None:
    """Raise `ValueError` for a run of parameters among which a text can be split in too many ways."""
    paths = [number for number, piece in enumerate(run) if isinstance(piece, PathConverter)]
    if len(paths) > 1:
        is_sound = len(run) == 3 and isinstance(run[1], str)  # noqa: PLR2004 - <path:a>/x/<path:b>
    elif not paths:
        is_sound = _is_sound(run, takes_all=True)
    else:
        first, *others = _segments(run)
        is_sound = _is_sound(first, takes_all=isinstance(run[-1], PathConverter)) and all(
            _is_sound(part, takes_all=True) for part in others
        )
    if not is_sound:
        raise ValueError(_TOO_MANY)


def _segments(run: Run) -> list[list[str | BaseConverter]]:
    """Split a run at its slashes: no parameter after one matches it, so no text is tried twice."""
    segments: list[list[str | BaseConverter]] = [[]]
    for piece in run:
        if isinstance(piece, str) and "/" in piece:
            before, *_, after = piece.split("/")
            segments[-1] += [before] if before else []
            segments.append([after] if after else [])
        else:
            segments[-1].append(piece)
    return segments


def _is_sound(run: Run, *, takes_all: bool) -> bool:
    """Return whether there are few ways; with `takes_all`, only the run's end stops its last parameter."""
    movable = [piece for number, piece in enumerate(run) if _is_movable(run, number)]
    reaches = [_reach(piece) for piece in movable]
    if math.prod(reach for reach in reaches if reach < math.inf) > MAX_WAYS:
        return False
    unbounded = reaches.count(math.inf)
    last = run[-1] if run else ""
    if takes_all and isinstance(last, BaseConverter) and _reach(last) == math.inf and not _is_number(last):
        # If a match succeeds at all, it succeeds at a separator's first place; equal separators have no other place.
        return unbounded <= 1 or len({piece for piece in run[1:-1] if isinstance(piece, str)}) == 1
    follows = [piece for piece in run if isinstance(piece, BaseConverter) and piece not in movable]
    return unbounded == 0 or (
        unbounded == 1 and all(_is_number(piece) or _reach(piece) < math.inf for piece in follows)
    )


def _is_movable(run: Run, number: int) -> bool:
    """Return whether a parameter can end at several places, because it may also match the text after it."""
    piece = run[number]
    if isinstance(piece, str):
        return False
    before, after = run[number - 1] if number else "", run[number + 1] if number + 1 < len(run) else ""
    if isinstance(before, BaseConverter) or isinstance(after, BaseConverter):
        return True
    return _may_hold(piece, after[0]) if after else isinstance(piece, PathConverter)


def _is_number(converter: BaseConverter) -> bool:
    return isinstance(converter, IntegerConverter | FloatConverter)


def _reach(converter: str | BaseConverter) -> float:
    """Count the possible lengths of a parameter."""
    if isinstance(converter, str | UUIDConverter):
        return 1.0
    if isinstance(converter, AnyConverter):
        return float(len(converter.items))
    bounds = _BOUNDED.fullmatch(converter.regex)
    if bounds is None:
        return math.inf
    return 1.0 + int(bounds[2] or bounds[1]) - int(bounds[1])


def _may_hold(converter: BaseConverter, character: str) -> bool:
    """Return whether a character may belong to a parameter."""
    if isinstance(converter, IntegerConverter | FloatConverter):
        return character.isdigit() or (isinstance(converter, FloatConverter) and character == ".")
    return isinstance(converter, PathConverter | AnyConverter) or character != "/"
