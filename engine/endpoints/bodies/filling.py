"""References filled into texts and JSON: everything is prepared when a route is built."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.endpoints.messages import encode_value
from engine.endpoints.requests.values import Reader, Values, read_reference
from engine.spec import Names, Reference, parse_template, references_in

Written = str | Callable[[Values], str]
"""A text, or a function that makes it from the values of a request."""
Body = bytes | Callable[[Values], bytes]


def fill_text(text: str, names: Names, write: Callable[[str], str] = str) -> Written:
    """Return a text, or a function that fills values into it, each as `write` writes its text."""
    template = parse_template(text)
    if not any(isinstance(part, Reference) for part in template):
        return "".join(map(str, template))
    parts = [read_reference(part, names) if isinstance(part, Reference) else part for part in template]
    if len(references_in(template)) == 1:
        (read,) = filter(callable, parts)
        at = parts.index(read)
        before, after = ("".join(map(str, some)) for some in (parts[:at], parts[at + 1 :]))
        return lambda values: before + write(as_text(read(values))) + after
    return lambda values: "".join([part if isinstance(part, str) else write(as_text(part(values))) for part in parts])


def as_text(value: Any) -> str:
    """Write a value inside of a text: a string as it is, anything else as compact JSON."""
    return value if isinstance(value, str) else encode_value(value).decode()


def fill_json(content: Any, names: Names) -> Body:
    """Return the bytes of a JSON value, or a function that fills values into it.

    The value is cut into bytes that never change and the values of references, each written as JSON by itself: so no
    value can break the structure.
    """
    pieces: list[bytes | Reader] = []
    for piece in [*_pieces(content, names), b"\n"]:
        if isinstance(piece, bytes) and pieces and isinstance(last := pieces[-1], bytes):
            pieces[-1] = last + piece
        else:
            pieces.append(piece)
    if len(pieces) == 1 and isinstance(only := pieces[0], bytes):
        return only
    match pieces:
        case [bytes(before), read, bytes(after)] if callable(read):
            return lambda values: before + encode_value(read(values)) + after
    return lambda values: b"".join([one if isinstance(one, bytes) else encode_value(one(values)) for one in pieces])


def _pieces(content: Any, names: Names) -> list[bytes | Reader]:
    """Cut a JSON value into bytes, and what reads the values between them."""
    if isinstance(content, str):
        return [_encoded(_string_shape(content, names))]
    if isinstance(content, list):
        return _joined(b"[", [_pieces(item, names) for item in content], b"]")
    if isinstance(content, dict) and any("${" in key for key in content):
        return [_encoded(shape_value(content, names))]
    if isinstance(content, dict):
        return _joined(b"{", [[encode_value(key) + b":", *_pieces(item, names)] for key, item in content.items()], b"}")
    return [encode_value(content)]


def _joined(begin: bytes, inside: list[list[bytes | Reader]], end: bytes) -> list[bytes | Reader]:
    pieces: list[bytes | Reader] = [begin]
    for number, item in enumerate(inside):
        pieces += [b","] * bool(number) + item
    return [*pieces, end]


def _encoded(shape: Any) -> bytes | Reader:
    return shape if callable(shape) else encode_value(shape)


def shape_value(content: Any, names: Names) -> Any:
    """Return a JSON value as it is, or a function that fills values into it, as one of Python."""
    if isinstance(content, str):
        return _string_shape(content, names)
    if isinstance(content, list):
        items = [shape_value(item, names) for item in content]
        return (lambda values: [_resolve(item, values) for item in items]) if any(map(callable, items)) else items
    if isinstance(content, dict):
        fields = [(fill_text(key, names), shape_value(item, names)) for key, item in content.items()]
        if any(callable(part) for pair in fields for part in pair):
            return lambda values: {_resolve(key, values): _resolve(item, values) for key, item in fields}
        return dict(fields)
    return content


def _string_shape(text: str, names: Names) -> str | Reader:
    """Return a string, or what makes it; one that is a reference alone becomes the value itself, of its own type."""
    match parse_template(text):
        case (Reference() as reference,):
            return read_reference(reference, names)
    return fill_text(text, names)


def _resolve(shape: Any, values: Values) -> Any:
    return shape(values) if callable(shape) else shape
