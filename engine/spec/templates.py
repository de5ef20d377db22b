"""`${path.name}` in the texts of a response: a plain substitution, never a template language."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from engine.text import did_you_mean

_TOKEN = re.compile(r"\$\$\{|\$\{(?P<name>[^{}]*)\}|\$\{")


@dataclass(frozen=True, slots=True)
class Parameter:
    """The place of a path parameter in a text."""

    name: str


Template = tuple[str | Parameter, ...]


class SubstitutionError(ValueError):
    """A substitution that cannot be made, such as one with an unknown name; `fragment` is its text."""

    def __init__(self, fragment: str, message: str) -> None:
        self.fragment = fragment
        super().__init__(message)


def parse_template(text: str, parameters: Iterable[str]) -> Template:
    """Split a text into literals and parameters; raise `SubstitutionError` for one that the path does not have."""
    parts: list[str | Parameter] = []
    literal, position = "", 0
    for token in _TOKEN.finditer(text):
        literal += text[position : token.start()]
        position = token.end()
        if token.group() == "$${":
            literal += "${"
            continue
        parts += [literal] * bool(literal)
        parts.append(_parameter(token, list(parameters)))
        literal = ""
    literal += text[position:]
    return (*parts, literal) if literal or not parts else tuple(parts)


def _parameter(token: re.Match[str], parameters: list[str]) -> Parameter:
    if token["name"] is None:
        raise SubstitutionError(token.group(), "a ${ without its }; write $${ for a literal ${")
    name = token["name"].strip()
    available = [f"path.{parameter}" for parameter in parameters]
    if name not in available:
        known = did_you_mean(name, available, "this path has")
        raise SubstitutionError(token.group(), f'unknown name "{name}" {known}; write $${{ for a literal ${{')
    return Parameter(name.removeprefix("path."))


def string_values(value: Any) -> Iterable[str]:
    """Yield every string value in a JSON value; keys are not substituted."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
