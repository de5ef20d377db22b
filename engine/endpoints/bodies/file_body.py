"""Bodies that are files, read when the spec is."""

from __future__ import annotations

import mimetypes

from engine.endpoints.bodies.body_kind import BodyKind
from engine.spec import DeclaredBody, Names

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


def type_of_file(name: str) -> str:
    """Return the Content-Type of a file by its name."""
    guessed, encoding = _TYPES.guess_type(name)
    if guessed is None or encoding:
        return "application/octet-stream"
    return f"{guessed}; charset=utf-8" if guessed.startswith("text/") else guessed


def _only_file(declared: DeclaredBody, _: Names) -> bytes:
    return next(iter(declared.files.values()), b"")


FILE = BodyKind(type_of_file, _only_file, is_literal=False, is_kept=True)
