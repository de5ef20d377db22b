"""`${env:NAME}` in a spec's values: substituted after parsing, and never shown again."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping

from engine.spec.reading.scalars import resolve_scalar
from engine.spec.references import ReferenceMistake
from engine.text import begin_alike

_TOKEN = re.compile(
    r"(?P<literal>\$\$\{)|\$\{env:(?P<name>[^{}:]*)(?::-(?P<default>[^{}]*))?\}|(?P<broken>\$\{env:[^\s\"']*)"
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
BEGIN = "${env:"
LEAST_HIDDEN = 3
_WORD = re.compile(r"\w{4,}")
_SHOWN = r"\$\{env:[^}]*\}"
_WORD_OR_SHOWN = re.compile(rf"{_SHOWN}|{_WORD.pattern}")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")


def substitute_variables(text: str, secrets: dict[str, str]) -> str:
    """Substitute environment variables in a text; record each value, with the reference to it, in `secrets`.

    Raises `ReferenceMistake` for a variable that is not set and has no default, and for an invalid name.
    """

    def value(token: re.Match[str]) -> str:
        if token["literal"]:
            return token.group()
        name = token["name"] or ""
        if token["broken"] or not _NAME.fullmatch(name):
            raise ReferenceMistake(token.group(), "write a variable as ${env:NAME} or ${env:NAME:-default}")
        found = os.environ.get(name, token["default"])
        if found is None:
            raise ReferenceMistake(
                token.group(),
                f'the environment variable "{name}" is not set; set it, or give a default: ${{env:{name}:-default}}',
            )
        if name in os.environ:
            secrets[token.group()] = found
        return found

    return _TOKEN.sub(value, text)


def asked_variables(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the names of the variables that a text asks for, and whether each has to be set."""
    for token in _TOKEN.finditer(text):
        if token["name"]:
            yield token["name"], token["default"] is None


def is_asking(text: str) -> bool:
    """Tell whether a text asks for values of the environment."""
    return any(token["literal"] is None for token in _TOKEN.finditer(text))


def hide_pieces(message: str, written: str, value: object, secrets: Mapping[str, str]) -> str:
    """Show references instead of values in a message about a value.

    Only quoted words are replaced, so that the message's own words stay as they are.
    """
    words = {word: shown for shown, secret in secrets.items() if shown in written for word in _WORD.findall(secret)}

    def hide_words(quoted: re.Match[str]) -> str:
        return _WORD_OR_SHOWN.sub(lambda found: words.get(found[0], found[0]), quoted[0])

    hidden = _QUOTED.sub(hide_words, message)
    if len(str(value)) < LEAST_HIDDEN:
        return hidden
    whole = re.compile(rf"{_SHOWN}|(?<!\w){re.escape(str(value))}(?!\w)")
    own = written.strip("'\"")
    return whole.sub(lambda found: found[0] if found[0].startswith(BEGIN) else own, hidden)


def hide_secrets(message: str, secrets: Mapping[str, str]) -> str:
    """Show references instead of values in a message, also instead of shortened values.

    If several variables have the same value, the last of them is shown.
    """
    forms = {form: shown for shown, secret in secrets.items() for form in _forms(secret)}
    parts, position = "", 0
    while position < len(message):
        rest = message[position:]
        runs = ((_length(form, rest), shown) for form, shown in forms.items() if form[:2] == rest[:2])
        length, shown = max(runs, default=(0, ""))
        parts += shown if length else message[position]
        position += length or 1
    return parts


def _forms(secret: str) -> set[str]:
    """Return every form in which messages show a value: as it is, in quotes, and as YAML reads it."""
    try:
        values: set[object] = {secret, resolve_scalar(secret)}
    except ValueError:
        values = {secret}
    written = {secret, *map(str, values), *(json.dumps(value, ensure_ascii=False) for value in values)}
    written |= {json.dumps(value) for value in values}
    forms = written | {form[1:-1] for form in written if form.startswith('"')}
    return {form for form in forms if len(form) >= LEAST_HIDDEN}


def _length(form: str, text: str) -> int:
    """Return how many characters of a text are this form: all of it, or its beginning if the text was shortened."""
    if text.startswith(form):
        return len(form)
    same = begin_alike(form, text)
    return same if same >= LEAST_HIDDEN and text[same : same + 1] == "…" else 0
