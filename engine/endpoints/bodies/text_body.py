"""Bodies that are texts: plain text, HTML with its parameters escaped, and nothing at all."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

from engine.endpoints.bodies.body_kind import Body, BodyKind, fill_text
from engine.spec import FixedResponse


def _writing(write: Callable[[Any], str]) -> Callable[[FixedResponse, tuple[str, ...]], Body]:
    def body(declared: FixedResponse, parameters: tuple[str, ...]) -> Body:
        written = fill_text(declared.content, parameters, write)
        return written.encode() if isinstance(written, str) else lambda path: written(path).encode()

    return body


EMPTY = BodyKind(lambda _: "", lambda _, __: b"", is_literal=False)
HTML = BodyKind(lambda _: "text/html; charset=utf-8", _writing(lambda value: html.escape(str(value))))
TEXT = BodyKind(lambda _: "text/plain; charset=utf-8", _writing(str))
