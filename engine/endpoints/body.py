"""A request's body → a JSON value, or the problem with it."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

import orjson

from engine.endpoints.messages import Request
from engine.endpoints.problems import Problem
from engine.validation import clip

_SEND = 'send application/json, such as {"name": "value"}'
# Words of other languages, with their JSON.
_WORDS = {
    **dict.fromkeys(("inf", "infinity", "nan", "nil", "none", "undefined"), "null"),
    "true": "true",
    "false": "false",
}
_WORD = re.compile(r"[A-Za-z]+")
# Numbers in the syntax of other languages; the group is the part that JSON does not allow.
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
_FORM = re.compile(rb"\s*[\w.%+\[\]-]+=[^\s{}]*\s*\Z")


def read_json(request: Request, *, strict: bool) -> Any:
    """Read the body as JSON; raise `Problem` 400, or 415 where `strict` and it is declared as something else."""
    if strict and not _is_json(request.content_type):
        found = f'Content-Type is "{request.content_type}"' if request.content_type else "there is no Content-Type"
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"{found}; send application/json")
    if not request.body.strip():
        raise Problem(HTTPStatus.BAD_REQUEST, "the body is empty; send JSON")
    try:
        return orjson.loads(request.body)
    except orjson.JSONDecodeError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, _not_json(request, error)) from None


def _not_json(request: Request, error: orjson.JSONDecodeError) -> str:
    """Describe a body that is not JSON, and say how to correct it."""
    if "valid UTF-8" in error.msg:
        return "the body is not UTF-8"
    if "infinity" in error.msg:
        return f"the number at line {error.lineno}, column {error.colno} is too large for a float64"
    is_bare = not request.body.lstrip().startswith((b"{", b"["))
    media_type = _media_type(request.content_type)
    if is_bare and media_type and not _is_json(media_type):
        return f"the body is {clip(media_type)}, but this route takes JSON; {_SEND}"
    if (word := _WORD.match(error.doc, error.pos)) and word[0].lower() in _WORDS:
        sign = "-" if error.doc[: error.pos].endswith("-") else ""
        where = f"line {error.lineno}, column {error.colno - len(sign)}"
        return f"{sign}{word[0]} is not JSON; send {_WORDS[word[0].lower()]} ({where})"
    if said := _odd_number(error):
        return said
    if is_bare and _FORM.match(request.body):
        return f"the body looks like a form, but this route takes JSON; {_SEND}"
    return f"the body is not JSON: {error}"


def _odd_number(error: orjson.JSONDecodeError) -> str:
    """Say how JSON writes a number in another language's syntax; empty if it is not one."""
    begin, least = error.pos, max(0, error.pos - _LONGEST_NUMBER)
    while begin > least and error.doc[begin - 1] in _OF_NUMBERS:
        begin -= 1
    found = _ODD_NUMBER.match(error.doc, begin, begin + 2 * _LONGEST_NUMBER)
    if found is None or not error.pos <= found.end() < begin + 2 * _LONGEST_NUMBER:
        return ""
    where = f"line {error.lineno}, column {error.colno - (error.pos - begin)}"
    return f'"{found[0]}" is not JSON; {_NUMBER_RULES[str(found.lastgroup)]} ({where})'


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _is_json(content_type: str) -> bool:
    media_type = _media_type(content_type)
    return media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json"))
