"""Bodies that are files, read when the spec is."""

from __future__ import annotations

import mimetypes

from engine.endpoints.bodies.body_kind import BodyKind
from engine.spec import FixedResponse

_TYPES = mimetypes.MimeTypes()  # Python's own table, so that a service answers the same on every machine
_TYPES.add_type("text/javascript", ".js")
_TYPES.add_type("text/javascript", ".mjs")
_TYPES.add_type("image/avif", ".avif")
_TYPES.add_type("image/webp", ".webp")
_TYPES.add_type("application/wasm", ".wasm")
_TYPES.add_type("font/woff", ".woff")
_TYPES.add_type("text/markdown", ".md")
_TYPES.add_type("application/yaml", ".yaml")
_TYPES.add_type("font/woff2", ".woff2")


def _content_type(declared: FixedResponse) -> str:
    guessed, encoding = _TYPES.guess_type(declared.content)
    if guessed is None or encoding:
        return "application/octet-stream"
    return f"{guessed}; charset=utf-8" if guessed.startswith("text/") else guessed


FILE = BodyKind(_content_type, lambda declared, _: declared.data, is_literal=False, is_kept=True)
