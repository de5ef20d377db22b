"""What is meant by a ': ' inside of a plain value, where YAML allows none: libyaml names only its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_LINE = re.compile(r"(?P<indent> *)(?P<dashes>(?:- +)*)(?P<text>[^# ].*)")
_NO_SPACE = re.compile(r"[^\s:'\"]+:(?=\S)(?!//)")


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that is neither empty nor a comment; its `text`, from `start`, comes after the dashes of list items.

    A plain value on it continues on lines that are indented more than `base`.
    """

    number: int
    start: int
    text: str
    indent: int
    base: int
    is_item: bool

    @property
    def has_key(self) -> bool:
        return ": " in self.text or self.text.endswith(":")


def explain_second_colon(text: str, at: int) -> tuple[int, int, str]:
    """Return the start and the end of what to mend, and how; `at` is the place of the ':'."""
    *above, line = [_Line(0, 0, "", 0, 0, is_item=False), *_lines(text[:at])]
    if len(above) <= 1 or ": " in line.text:
        return at, at + 1, "a second ': ' on one line; put the value in quotes"
    began = _beginning(above[1:])
    unspaced = None if began.has_key else _NO_SPACE.match(began.text)
    if unspaced is not None:
        colon = began.start + unspaced.end() - 1
        return colon, colon + 1, "a ':' without a space after it; write ': '"
    if not began.has_key and not began.is_item:
        return began.start, began.start + len(began.text), "this line has no ': ' after its key"
    of = "above" if began is above[-1] else "that begins there"
    advice = "indent both alike, and begin each item of a list with '- '"
    message = f"this line is indented more than line {began.number}, so it continues the value {of}; {advice}"
    return line.start, at, message


def _lines(text: str) -> Iterator[_Line]:
    start = 0
    for number, line in enumerate(text.split("\n"), 1):
        found = _LINE.match(line.rstrip())
        if found is not None:
            column, dashes = found.start("text"), found["dashes"]
            is_item = bool(dashes) and ": " not in found["text"] and not found["text"].endswith(":")
            base = found.start("dashes") + dashes.rindex("-") if is_item else column
            yield _Line(number, start + column, found["text"], len(found["indent"]), base, is_item)
        start += len(line) + 1


def _beginning(lines: list[_Line]) -> _Line:
    """Return the line on which the value begins that the last of the lines ends or continues."""
    for above, line in zip(reversed(lines[:-1]), reversed(lines), strict=False):
        if line.has_key or line.indent <= above.base or above.text.endswith(":"):
            return line
    return lines[0]
