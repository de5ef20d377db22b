"""Bodies that are texts: plain text, and HTML with the values of its references escaped."""

from __future__ import annotations

import html
from collections.abc import Callable

from engine.endpoints.bodies.body_kind import BodyKind
from engine.endpoints.bodies.filling import Body, fill_text
from engine.spec import DeclaredBody, Names


def _writing(write: Callable[[str], str]) -> Callable[[DeclaredBody, Names], Body]:
    def body(declared: DeclaredBody, names: Names) -> Body:
        written = fill_text(declared.content, names, write)
        return written.encode() if isinstance(written, str) else lambda values: written(values).encode()

    return body


HTML = BodyKind(lambda _: "text/html; charset=utf-8", _writing(html.escape))
TEXT = BodyKind(lambda _: "text/plain; charset=utf-8", _writing(str))
