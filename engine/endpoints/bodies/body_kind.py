"""Everything that differs between kinds of bodies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.endpoints.bodies.filling import Body
from engine.spec import DeclaredBody, Names


@dataclass(frozen=True, slots=True)
class BodyKind:
    """A kind of body.

    `content_type` returns the Content-Type of a body's content where its response declares none itself; `body` makes
    the bytes, or a function from the values of a request to them. The declared content is what clients receive if it
    `is_literal`, up to references; it `is_json` if it has a JSON Schema too. Clients may keep it if it `is_kept`, and
    revalidate it by its ETag.
    """

    content_type: Callable[[Any], str]
    body: Callable[[DeclaredBody, Names], Body]
    is_literal: bool = True
    is_json: bool = False
    is_kept: bool = False
