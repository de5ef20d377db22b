"""Objects → YAML for people: block style, one key a line, and a comment where one is needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.spec import write_field, write_scalar

_END = "\n"


@dataclass(frozen=True, slots=True)
class Raw:
    """A value that is written as it is: the expression of a template in place of a number."""

    text: str


@dataclass(frozen=True, slots=True)
class Noted:
    """A value with a comment, which stands in the lines above its key."""

    value: Any
    comment: str


def write_document(value: Mapping[str, Any]) -> str:
    """Write an object as a YAML document."""
    return "\n".join(_mapping(value, "")) + "\n"


def _mapping(value: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, found in value.items():
        below = found
        if isinstance(found, Noted):
            yield from (f"{indent}# {line}" for line in found.comment.splitlines())
            below = found.value
        yield from _below(f"{indent}{write_scalar(key)}:", below, indent)


def _below(head: str, value: Any, indent: str) -> Iterator[str]:
    """Write a value after its key: on the same line, or on the next ones."""
    if isinstance(value, Mapping) and value:
        yield head
        yield from _mapping(value, f"{indent}  ")
    elif _is_list(value) and value and not any(map(_is_nested, value)):
        yield from write_field(head.lstrip().removesuffix(":"), value, len(indent))
    elif _is_list(value) and value:
        yield head
        yield from _list(value, f"{indent}  ")
    elif isinstance(value, str) and _is_block(value):
        yield f"{head} {'|' if value.endswith(_END) else '|-'}"
        yield from (f"{indent}  {line}" if line else "" for line in value.removesuffix(_END).split(_END))
    else:
        yield f"{head} {_short(value)}"


def _list(items: Sequence[Mapping[str, Any]], indent: str) -> Iterator[str]:
    for item in items:
        first, *rest = _mapping(item, f"{indent}  ")
        yield f"{indent}- {first.lstrip()}"
        yield from rest


def _short(value: Any) -> str:
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, Mapping):
        return "{}"
    if _is_list(value):
        return "[]"
    if isinstance(value, str) and '"' in value and "'" not in value and value.isprintable():
        return f"'{value}'"
    return write_scalar(value)


def _is_nested(value: Any) -> bool:
    return isinstance(value, Mapping | Noted) or _is_list(value)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _is_block(text: str) -> bool:
    """Whether a text can stand as it is: several lines that print, no space before the first, one end at the last."""
    if _END not in text or text[0].isspace() or text.endswith(_END * 2):
        return False
    return all(line.replace("\t", " ").isprintable() for line in text.split(_END))
