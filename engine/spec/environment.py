"""`${env:NAME}` in a spec's values: taken from the environment after parsing, and never shown again."""

from __future__ import annotations

import json
import os
import re
from itertools import takewhile

_TOKEN = re.compile(
    r"(?P<literal>\$\$\{)|\$\{env:(?P<name>[^{}:]*)(?::-(?P<default>[^{}]*))?\}|(?P<broken>\$\{env:[^\s\"']*)"
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
BEGIN = "${env:"
_LEAST_HIDDEN = 4
_SURE = 8


class UnsetError(ValueError):
    """A variable that is not there; `fragment` is where it is asked for."""

    def __init__(self, fragment: str, message: str) -> None:
        self.fragment = fragment
        super().__init__(message)


def substitute(text: str, secrets: dict[str, str]) -> str:
    """Put the environment's values into a text; note each with what stands for it in `secrets`.

    Raises `UnsetError` for a variable that is not set and has no default, and for what is no variable's name.
    """

    def value(token: re.Match[str]) -> str:
        if token["literal"]:
            return token.group()
        name = token["name"] or ""
        if token["broken"] or not _NAME.fullmatch(name):
            raise UnsetError(token.group(), "a variable is written ${env:NAME}, or ${env:NAME:-default}")
        found = os.environ.get(name, token["default"])
        if found is None:
            raise UnsetError(
                token.group(),
                f'the environment has no variable "{name}"; set it, or give a default: ${{env:{name}:-default}}',
            )
        if name in os.environ:
            secrets[found] = token.group()
        return found

    return _TOKEN.sub(value, text)


def hide(message: str, secrets: dict[str, str]) -> str:
    """Show in a message what stands for the environment's values in the spec, not the values, cut ones neither."""
    for secret, shown in secrets.items():
        if len(secret) < _LEAST_HIDDEN:
            continue
        for form in {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}:
            start = message.find(form[:_SURE])
            while start >= 0:
                same = takewhile(lambda pair: pair[0] == pair[1], zip(form, message[start:], strict=False))
                end = start + sum(1 for _ in same)
                message = message[:start] + shown + message[end:]
                start = message.find(form[:_SURE], start + len(shown))
    return message
