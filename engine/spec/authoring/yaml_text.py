"""Values as YAML text that readers of YAML 1.1 and of 1.2 read as the same values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

WIDTH = 110
_PLAIN = re.compile(r"(?:\.\.?/)*[^\W\d][\w./-]*(?: [\w./-]+)*")
_WORDS = frozenset(("false", "n", "no", "null", "off", "on", "true", "y", "yes"))
_FOUR_DIGITS = 0xFFFF


def write_scalar(value: Any) -> str:
    """Write a string, a number, a boolean or null; a string is quoted if it could be read as anything else."""
    if isinstance(value, float):
        return _fraction(json.dumps(value))
    if not isinstance(value, str):
        return json.dumps(value)
    return value if _PLAIN.fullmatch(value) and value.lower() not in _WORDS else write_quoted(value)


def write_quoted(text: str) -> str:
    """Write a string in double quotes; characters that do not print are escaped in YAML's way."""
    return '"' + "".join(map(_character, text)) + '"'


def write_flow(value: Any) -> str:
    """Write a value in flow style, on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(_pairs(value)) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(write_flow, value)) + "]"
    return write_scalar(value)


def write_field(key: str, value: Any, indent: int = 0) -> Iterator[str]:
    """Write `key: value` in flow style, on as many lines as its width needs; `key` is written as it is."""
    head = " " * indent + key + ":"
    line = f"{head} {write_flow(value)}"
    if len(line) <= WIDTH or isinstance(value, str) or not isinstance(value, Mapping | Sequence):
        yield line
        return
    opening, closing = "{}" if isinstance(value, Mapping) else "[]"
    yield head
    parts = list(_pairs(value)) if isinstance(value, Mapping) else list(map(write_flow, value))
    lines = list(_filled(parts, indent + 3))
    lines[0] = " " * (indent + 2) + opening + lines[0].lstrip()
    lines[-1] += closing
    yield from lines


def _fraction(text: str) -> str:
    """Write 1e-05 with the point that YAML 1.1 requires in a number."""
    digits, mark, exponent = text.partition("e")
    return f"{digits}.0e{exponent}" if mark and "." not in digits else text


def _pairs(value: Mapping[str, Any]) -> Iterator[str]:
    for key, below in value.items():
        yield f"{write_scalar(key)}: {write_flow(below)}"


def _filled(parts: Sequence[str], indent: int) -> Iterator[str]:
    """Put parts on lines, with a comma after each but the last."""
    line = " " * indent
    for place, part in enumerate(parts):
        piece = part + ("," if place < len(parts) - 1 else "")
        if line.strip() and len(line) + len(piece) + 1 > WIDTH:
            yield line
            line = " " * indent
        line += (" " if line.strip() else "") + piece
    yield line


def _character(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code <= _FOUR_DIGITS else f"\\U{code:08x}"
