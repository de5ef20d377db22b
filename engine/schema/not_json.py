"""A text that is not JSON → what stands there in place of JSON, and how to write it."""

from __future__ import annotations

import re

import orjson

from engine.schema.words import JSON_NUMBER

# Words of other languages, with their JSON.
_WORDS = {
    **dict.fromkeys(("inf", "infinity", "nan", "nil", "none", "undefined"), "null"),
    "true": "true",
    "false": "false",
}
_WORD = re.compile(r"[A-Za-z]+")
# What other languages take for numbers; the group is what is wrong with one.
_ODD_NUMBER = re.compile(
    r"-?(?:(?P<plus>\+)(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
    r"|(?P<base>0[xXoObB][\da-fA-F]+)|(?P<zero>0\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
    r"|(?P<before>\.\d+(?:[eE][+-]?\d+)?)|(?P<after>\d+\.(?!\d)(?:[eE][+-]?\d+)?))(?![\w.+-])"
)
_NUMBER_RULES = {
    "plus": "write numbers without a plus sign",
    "base": "write numbers in decimal",
    "zero": "write numbers without leading zeros",
    "before": "write a digit before the decimal point",
    "after": "write a digit after the decimal point, or leave the point out",
}
_OF_NUMBERS = frozenset("+-.0123456789abcdefABCDEFxXoO")
_LONGEST_NUMBER = 40
_TOKEN_MOST = 80
_TOKEN = re.compile(rf"[\w.+-]{{1,{_TOKEN_MOST}}}")
_BEFORE_VALUE = frozenset(" \t\r\n,:[")


def explain_not_json(error: orjson.JSONDecodeError) -> tuple[str, int] | None:
    """Say how JSON writes a word or number of another language, and in which column it is; None where there is none."""
    if (word := _WORD.match(error.doc, error.pos)) and word[0].lower() in _WORDS:
        sign = "-" if error.doc[: error.pos].endswith("-") else ""
        return f"{sign}{word[0]} is not JSON; send {_WORDS[word[0].lower()]}", error.colno - len(sign)
    begin = _begin_of_number(error)
    found = _ODD_NUMBER.match(error.doc, begin, begin + 2 * _LONGEST_NUMBER)
    if found is None or not error.pos <= found.end() < begin + 2 * _LONGEST_NUMBER:
        return None
    return f'"{found[0]}" is not JSON; {_NUMBER_RULES[str(found.lastgroup)]}', error.colno - (error.pos - begin)


def stray_token(error: orjson.JSONDecodeError) -> tuple[str, int] | None:
    """Name what stands in place of a value, as `1e` or a text without quotes, and its column; None for other errors."""
    begin = _begin_of_number(error)
    token = _TOKEN.match(error.doc, begin)
    if token is None or JSON_NUMBER.fullmatch(token[0]) or token.end() - begin == _TOKEN_MOST:
        return None
    if "end of data" in error.msg or (begin and error.doc[begin - 1] not in _BEFORE_VALUE):
        return None
    said = f'"{token[0]}" is neither a number nor true, false or null; put texts in double quotes'
    return said, error.colno - (error.pos - begin)


def _begin_of_number(error: orjson.JSONDecodeError) -> int:
    """Go back from where the reader stopped to where a number may begin."""
    begin, least = error.pos, max(0, error.pos - _LONGEST_NUMBER)
    while begin > least and error.doc[begin - 1] in _OF_NUMBERS:
        begin -= 1
    return begin
