"""Everything that differs between kinds of bodies, and how path parameters are filled into one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.spec import FixedResponse, Parameter, parse_template

Body = bytes | Callable[[Mapping[str, Any]], bytes]
Written = str | Callable[[Mapping[str, Any]], str]
"""A text, or a function that makes it from the path parameters."""


@dataclass(frozen=True, slots=True)
class BodyKind:
    """A kind of body.

    `content_type` returns the Content-Type where a response declares none itself, empty if there is no body; `body`
    makes the bytes, or a function from the path parameters to them. The declared content is what clients receive if it
    `is_literal`, up to the path parameters; it `is_json` if it has a JSON Schema too. Clients may keep it if it
    `is_kept`, and revalidate it by its ETag.
    """

    content_type: Callable[[FixedResponse], str]
    body: Callable[[FixedResponse, tuple[str, ...]], Body]
    is_literal: bool = True
    is_json: bool = False
    is_kept: bool = False


def fill_text(text: str, parameters: tuple[str, ...], write: Callable[[Any], str]) -> Written:
    """Return a text, or a function that fills the path parameters into it, each as `write` writes it."""
    template = parse_template(text, parameters)
    if not any(isinstance(part, Parameter) for part in template):
        return "".join(map(str, template))
    return lambda path: "".join(write(path[part.name]) if isinstance(part, Parameter) else part for part in template)
