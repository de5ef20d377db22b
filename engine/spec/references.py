"""`${query.page:-1}` in the texts of a response: names of values of a request, substituted, never evaluated."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from engine.text import did_you_mean

_TOKEN = re.compile(r"\$\$\{|\$\{(?P<inside>[^{}]*)\}|\$\{\{(?P<doubled>[^{}]+)\}\}|\$\{")
_DOTTED = re.compile(r"(?P<root>[a-z_]+)(?P<rest>\..*)?", re.DOTALL)
_MEANT = {  # the words of other tools
    **dict.fromkeys(("data", "form", "input", "json", "payload"), "body"),
    **dict.fromkeys(("args", "parameters", "params", "querystring"), "query"),
    **dict.fromkeys(("header", "http_headers"), "headers"),
    "cookie": "cookies",
    "path_parameters": "path",
}
LITERAL = "write $${ for a literal ${"


@dataclass(frozen=True, slots=True)
class Name:
    """The name of a value: `root` says of what, and `steps` lead to the value, as keys or indexes.

    It is written with dots, `body.user.name`, or with a JSON pointer (RFC 6901) after `#`, `body#/user/first~1last`.
    """

    root: str
    steps: tuple[str, ...] = ()
    spelled: str = field(default="", compare=False, repr=False)  # the name of a header, as the spec writes it

    def __str__(self) -> str:
        if self.spelled and "." not in self.spelled:
            return f"{self.root}.{self.spelled}"
        if all(step and "." not in step and "#" not in step for step in self.steps):
            return ".".join((self.root, *self.steps))
        return f"{self.root}#" + "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in self.steps)


@dataclass(frozen=True, slots=True)
class Reference:
    """A name in a text, the text of its default, None if there is none, and how it is written there."""

    name: Name
    default: str | None
    written: str


Template = tuple[str | Reference, ...]


class ReferenceMistake(ValueError):
    """A reference that cannot be read, or names nothing; `fragment` is its text."""

    def __init__(self, fragment: str, message: str) -> None:
        self.fragment = fragment
        super().__init__(message)


def parse_template(text: str) -> Template:
    """Split a text into literals and references; raise `ReferenceMistake` for one that cannot be read."""
    parts: list[str | Reference] = []
    for part in scan_template(text):
        if isinstance(part, ReferenceMistake):
            raise part
        parts.append(part)
    return tuple(parts) or ("",)


def scan_template(text: str) -> Iterator[str | Reference | ReferenceMistake]:
    """Yield the literals and references of a text, and a mistake for each reference that cannot be read."""
    literal, position = "", 0
    for token in _TOKEN.finditer(text):
        literal += text[position : token.start()]
        position = token.end()
        if token.group() == "$${":
            literal += "${"
            continue
        if literal:
            yield literal
        try:
            yield _read_reference(token)
        except ReferenceMistake as mistake:
            yield mistake
        literal = ""
    if literal := literal + text[position:]:
        yield literal


def lone_reference(value: Any) -> Reference | None:
    """Return the reference that a text is alone, None for anything else; raise `ReferenceMistake` for a broken text."""
    template = parse_template(value) if isinstance(value, str) else ()
    return template[0] if len(template) == 1 and isinstance(template[0], Reference) else None


def references_in(template: Template) -> list[Reference]:
    """Return the references of a template, in their order."""
    return [part for part in template if isinstance(part, Reference)]


def parse_name(text: str) -> Name:
    """Read a name; raise `ValueError`, for the author, if it is none."""
    root, hash_sign, pointer = text.partition("#")
    if hash_sign:
        if pointer and not pointer.startswith("/"):
            raise ValueError(f'"{text}": a pointer begins with a slash, as in {root or "body"}#/{pointer}')
        steps = [_unescape(token) for token in unquote(pointer).split("/")[1:]]
        return _make_name(root, steps)
    dotted = _DOTTED.fullmatch(text)
    if dotted is None:
        raise ValueError(f'"{text}" is not a name; write one such as query.page, or body#/KEY for any key')
    steps = (dotted["rest"] or "").split(".")[1:]
    if not all(steps):
        raise ValueError(f'"{text}" has an empty part; write one dot between two keys')
    return _make_name(dotted["root"], steps)


URI_HEADERS = frozenset(
    "content-location hx-push-url hx-redirect hx-replace-url location sourcemap x-accel-redirect x-sourcemap".split()
)
"""The headers, in lower case, whose value is a URI that clients or proxies go to."""


def string_values(value: Any) -> Iterable[str]:
    """Yield every string value in a JSON value, without its keys."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def unknown_root(name: Name, roots: Iterable[str], noun: str) -> str:
    """Say that a name begins with none of the roots, with the one that was probably meant, or all after `noun`."""
    known = list(roots)
    last = name.steps[-1] if name.steps else name.root
    same = next((word for word in known if word.partition(".")[2] == last), None)
    if same is not None:
        return f'unknown name "{name}" (did you mean "{same}"?)'
    if (meant := _MEANT.get(name.root)) is not None:
        return f'unknown name "{name}" (did you mean "{Name(meant, name.steps)}"?)'
    return f'unknown name "{name}" {did_you_mean(str(name), known, noun)}'


def _read_reference(token: re.Match[str]) -> Reference:
    inside = token["inside"]
    if token["doubled"] is not None:
        raise ReferenceMistake(
            token.group(), f'a reference has one brace: "${{{token["doubled"].strip()}}}"; {LITERAL}'
        )
    if inside is None:
        raise ReferenceMistake(token.group(), f"this ${{ has no closing }}; {LITERAL}")
    text, separator, default = inside.partition(":-")
    if not text.strip():
        raise ReferenceMistake(token.group(), f"a ${{}} without a name, such as query.page; {LITERAL}")
    try:
        name = parse_name(text.strip())
    except ValueError as error:
        raise ReferenceMistake(token.group(), f"{error}; {LITERAL}") from None
    return Reference(name, default if separator else None, token.group())


def _make_name(root: str, steps: list[str]) -> Name:
    if root == "headers":  # which HTTP does not distinguish by case (RFC 9110, section 5.1)
        return Name(root, tuple(step.lower() for step in steps[:1]) + tuple(steps[1:]), "".join(steps[:1]))
    return Name(root, tuple(steps))


def _unescape(token: str) -> str:
    return token.replace("~1", "/").replace("~0", "~")
