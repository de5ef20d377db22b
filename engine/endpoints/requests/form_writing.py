"""Forms as clients send them, the opposite of `multipart`: names and contents → a body with its Content-Type."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

_ESCAPED = {"\r": "%0D", "\n": "%0A", '"': "%22"}  # https://html.spec.whatwg.org/#multipart-form-data


@dataclass(frozen=True, slots=True)
class FormPart:
    """A part of a form: a text, or a file if it has a `filename`."""

    name: str
    content: bytes
    media_type: str = ""
    filename: str | None = None


def write_multipart(parts: Sequence[FormPart]) -> tuple[str, bytes]:
    """Return the Content-Type and the body of multipart/form-data (RFC 7578)."""
    boundary = uuid4().hex
    pieces = [b"".join((f"--{boundary}\r\n".encode(), _head(part), part.content, b"\r\n")) for part in parts]
    return f"multipart/form-data; boundary={boundary}", b"".join([*pieces, f"--{boundary}--\r\n".encode()])


def _head(part: FormPart) -> bytes:
    lines = [f'Content-Disposition: form-data; name="{_escaped(part.name)}"']
    lines[0] += "" if part.filename is None else f'; filename="{_escaped(part.filename)}"'
    lines += [f"Content-Type: {part.media_type}"] if part.media_type else []
    return os.fsencode("\r\n".join([*lines, "", ""]))


def _escaped(name: str) -> str:
    return "".join(_ESCAPED.get(character, character) for character in name)
