"""Violations in plain words: a sentence for each keyword of JSON Schema, and a suggestion.

The same sentences are read by clients, by those who write a spec, and by those who score files.
A sentence costs the same for values of any size: long values are shortened as they are written, and suggestions come
from the first few hundred names.
"""

from __future__ import annotations

import difflib
import heapq
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any
from urllib.parse import quote

from engine.text import begin_alike, join_words, plural

TYPE_NAMES = {
    "array": "an array",
    "boolean": "a boolean",
    "integer": "an integer",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "a string",
}
JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
FORMATS: Mapping[str, str] = {  # the formats that the library checks, in words
    "date": "a date, such as 2026-11-26",
    "date-time": "a date and time, such as 2026-11-26T09:30:00Z",
    "time": "a time, such as 09:30:00Z",
    "duration": "a duration, such as P3DT12H",
    "email": "an email address",
    "idn-email": "an email address",
    "hostname": "a host name",
    "idn-hostname": "a host name",
    "ipv4": "an IPv4 address",
    "ipv6": "an IPv6 address",
    "uri": "an absolute URI, such as https://example.com/",
    "uri-reference": "a URI reference",
    "iri": "an absolute IRI, such as https://example.com/",
    "iri-reference": "an IRI reference",
    "uri-template": "a URI template",
    "uuid": "a UUID, such as 123e4567-e89b-12d3-a456-426614174000",
    "json-pointer": "a JSON pointer, such as /a/0",
    "relative-json-pointer": "a relative JSON pointer, such as 1/a",
    "regex": "a regular expression",
}
# With one of our own, which replaces a known one and cannot be written in a schema.
_FORMATS = {**FORMATS, "local-date-time": "a date and time, such as 2026-11-26T09:30:00"}
SHOWN_LENGTH = 60
KEY_LENGTH = 200
SHOWN_CHOICES = 12
_TYPE_ORDER = ("null", "boolean", "integer", "number", "string", "array", "object")
_BARE_WORDS = {"true": "boolean", "false": "boolean", "null": "null"}
_EXACT = 2**53  # beyond it, not every integer is a float64
_MAX_OPTIONS = 500
_MAX_COMPARED = 6
_MAX_WORD = 60
_MAX_NUMBER = 1000
_DECIMAL_COMMA = re.compile(r"(-?[0-9]+),([0-9]{1,2})")  # with three digits, it may separate thousands

Path = tuple[str | int, ...]


def describe_violation(keyword: str, value: Any, wanted: Any) -> str:
    """Describe how a value violates a keyword; `wanted` is the keyword's value in the schema."""
    sentence = _SENTENCES.get(keyword)
    return sentence(value, wanted) if sentence else f"{show(value)} violates {keyword}"


def types_of_keyword(wanted: str | Sequence[str]) -> tuple[str, ...]:
    """Read the keyword `type`, which has one name or several."""
    return (wanted,) if isinstance(wanted, str) else tuple(sorted(wanted, key=_TYPE_ORDER.index))


def write_pointer(path: Path) -> str:
    """Write a path as a JSON pointer in URI fragment form: `#/instances/3/petal~1width`; a long key is shortened."""
    tokens = (clip(str(token), KEY_LENGTH).replace("~", "~0").replace("/", "~1") for token in path)
    return "#" + "".join("/" + quote(token, safe="!$&'()*+,;=:@~-._", errors="replace") for token in tokens)


def show(value: Any) -> str:
    """Write a JSON value for a message, shortened if it is long."""
    if isinstance(value, dict | list) and len(value) > SHOWN_CHOICES:
        return "the object" if isinstance(value, dict) else "the array"
    text = ""
    for piece in _written(value):
        text += piece
        if len(text) > SHOWN_LENGTH:
            break
    return clip(text)


def _written(value: Any) -> Iterator[str]:
    """Write a value as `json.dumps` does, piece by piece, so that a reader can stop early at no further cost."""
    if isinstance(value, dict):
        for number, (key, item) in enumerate(value.items()):
            yield ("{", ", ")[number > 0] + _scalar(str(key)) + ": "
            yield from _written(item)
        yield "}" if value else "{}"
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield ("[", ", ")[number > 0]
            yield from _written(item)
        yield "]" if value else "[]"
    else:
        yield _scalar(value)


def _scalar(value: Any) -> str:
    shown = value[: SHOWN_LENGTH + 1] if isinstance(value, str) else value
    return json.dumps(shown, ensure_ascii=False, default=str)


def clip(text: str, length: int = SHOWN_LENGTH) -> str:
    """Shorten a text that is too long for a message."""
    return text if len(text) <= length else text[: length - 1] + "…"


def describe_mistyped(value: Any, types: Sequence[str]) -> str:
    """Say that a value has none of the types."""
    if isinstance(value, dict | list):
        return f"expected {_either(types)}, got {TYPE_NAMES['object' if isinstance(value, dict) else 'array']}"
    return f"{show(value)} must be {_either(types)}"


def _either(types: Sequence[str]) -> str:
    wanted = sorted(types, key="null".__eq__)
    names = [TYPE_NAMES[name] for name in wanted if not (name == "integer" and "number" in types)]
    return join_words(names, "or")


def _listed(options: list[Any]) -> str:
    rest = f" or {len(options) - SHOWN_CHOICES:,} more" if len(options) > SHOWN_CHOICES else ""
    return ", ".join(map(show, options[:SHOWN_CHOICES])) + rest


def closest_option(word: str, options: Iterable[str]) -> str:
    """Find the option that was probably meant by a word; empty if none is similar."""
    word = word[:_MAX_WORD]
    cut = {option[:_MAX_WORD]: option for option in islice(options, _MAX_OPTIONS)}
    alike = heapq.nlargest(_MAX_COMPARED, cut, key=lambda option: _likeness(word, option))
    near = difflib.get_close_matches(word, alike, n=1)
    return cut[near[0]] if near else ""


def _likeness(word: str, option: str) -> int:
    """Compare two words cheaply, to choose those that deserve a full comparison."""
    ends = begin_alike(word, option) + begin_alike(word[::-1], option[::-1])
    return ends + len({*word} & {*option}) - abs(len(word) - len(option))


def did_you_mean_option(word: Any, options: Iterable[Any]) -> str:
    """Suggest the option that was probably meant by a word, in any case."""
    if not isinstance(word, str):
        return ""
    words = {option.lower(): option for option in islice(options, _MAX_OPTIONS) if isinstance(option, str)}
    near = closest_option(word.lower(), words)
    return f' (did you mean "{words[near]}"?)' if near else ""


def advise_unquoted(value: Any, types: Sequence[str]) -> str:
    """Advise to remove the quotes around a number and the like, and show how JSON writes a number."""
    if not isinstance(value, str) or len(value) > _MAX_NUMBER:
        return ""
    if _BARE_WORDS.get(value) in types:
        return "; write it without the quotes"
    number = _number(value, whole="number" not in types) if {"number", "integer"} & {*types} else ""
    return f"; write it {'without the quotes' if number == value else f'as {number}'}" if number else ""


def _number(text: str, *, whole: bool) -> str:
    """Write a number as JSON does, unchanged if it is JSON already; empty if it is not of a wanted type."""
    if "_" in text:  # which Python ignores; it may have been meant as a point
        return ""
    if (meant := _DECIMAL_COMMA.fullmatch(text)) is not None:
        text = f"{meant[1]}.{meant[2]}"
    try:
        number = float(text)
    except ValueError:
        return ""
    if not math.isfinite(number) or (whole and not number.is_integer()):
        return ""
    if JSON_NUMBER.fullmatch(text):
        return text
    return str(int(number)) if number.is_integer() and abs(number) < _EXACT else repr(number)


def fits_none(value: Any, count: int, reasons: Iterable[str]) -> str:
    """List the explanations of some of the alternatives."""
    said = "; or ".join(dict.fromkeys(reasons))
    return f"{show(value)} matches none of the {count} alternatives" + (f": {said}" if said else "")


def _count(singular: str, what: str, limit_name: str) -> Callable[[Any, Any], str]:
    verb = "allowed" if limit_name == "most" else "needed"

    def sentence(value: Any, wanted: Any) -> str:
        found = f"there {_be(len(value))} {len(value):,} {what if len(value) != 1 else singular}"
        return f"{found}; at {limit_name} {int(wanted)} {_be(wanted)} {verb}"

    return sentence


def _format_in_words(name: str) -> str:
    """Name a format, and say how its values are written: the example is none of the value that is wrong."""
    return _FORMATS.get(name, f"of the format {clip(name)}").replace(", such as ", "; write it like ")


def _be(count: int) -> str:
    return "is" if count == 1 else "are"


def _mistyped_as(value: Any, wanted: Any) -> str:
    types = types_of_keyword(wanted)
    return describe_mistyped(value, types) + advise_unquoted(value, types)


_SENTENCES: Mapping[str, Callable[[Any, Any], str]] = {
    "type": _mistyped_as,
    "enum": lambda value, wanted: f"{show(value)} is not one of {_listed(wanted)}",
    "const": lambda value, wanted: f"{show(value)} is not {show(wanted)}",
    "minimum": lambda value, wanted: f"{show(value)} is less than the minimum of {wanted}",
    "maximum": lambda value, wanted: f"{show(value)} is greater than the maximum of {wanted}",
    "exclusiveMinimum": lambda value, wanted: f"{show(value)} is not greater than {wanted}",
    "exclusiveMaximum": lambda value, wanted: f"{show(value)} is not less than {wanted}",
    "multipleOf": lambda value, wanted: f"{show(value)} is not a multiple of {wanted}",
    "minLength": lambda value, wanted: f"{show(value)} is shorter than {plural(int(wanted), 'character')}",
    "maxLength": lambda value, wanted: f"{show(value)} is longer than {plural(int(wanted), 'character')}",
    "pattern": lambda value, wanted: f"{show(value)} does not match the pattern {clip(wanted)}",
    "format": lambda value, wanted: f"{show(value)} is not {_format_in_words(wanted)}",
    "minItems": _count("item", "items", "least"),
    "maxItems": _count("item", "items", "most"),
    "minProperties": _count("property", "properties", "least"),
    "maxProperties": _count("property", "properties", "most"),
    "uniqueItems": lambda _, __: "the items must be unique",
    "false": lambda value, _: f"{show(value)} is not allowed here",
    "not": lambda value, _: f"{show(value)} is of a form that is not allowed",
    "oneOf": lambda value, _: f"{show(value)} matches more than one of the alternatives, not exactly one",
    "contains": lambda _, __: "too few or too many items match what the array must contain",
}
