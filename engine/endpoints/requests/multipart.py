"""Forms with files (multipart/form-data, RFC 7578), cut by Werkzeug; a file becomes its name, type and size."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Event, Field, File, MultipartDecoder, NeedData, State

from engine.endpoints.messages import Request
from engine.endpoints.problems import Problem
from engine.schema import clip

MAX_PARTS = 1000
MAX_HEAD = 16 * 1024
"""The bytes that the headers of one part may have: each takes 40 times its size while it is read."""

Form = tuple[dict[str, list[str]], dict[str, list[dict[str, Any]]]]
"""The texts and the files of a form, each by name; a file has a `name`, a `type` and a `size`."""

_CHARSETS = frozenset(("utf-8", "us-ascii", "ascii", "iso-8859-1"))  # as in Werkzeug's own parser
_MALFORMED = "the body is not valid multipart/form-data; send each part between lines with the boundary of Content-Type"


def parse_multipart(request: Request) -> Form:
    """Return the texts and the files of a form; raise `Problem` for a body that is malformed.

    A file that was not chosen in a browser's form, without a name and without a byte, is absent.
    """
    texts: dict[str, list[str]] = {}
    files: dict[str, list[dict[str, Any]]] = {}
    for part, content in _parts(request):
        if part.name is None:
            raise _refusal("a part of the form has no name; each needs one (RFC 7578, section 4.2)")
        if isinstance(part, Field):
            texts.setdefault(part.name, []).append(_decode(part, b"".join(content)))
        elif (size := sum(map(len, content))) or part.filename:
            media_type = parse_options_header(part.headers.get("content-type"))[0].lower()
            described = {"name": part.filename, "type": media_type or "application/octet-stream", "size": size}
            files.setdefault(part.name, []).append(described)
    for name in texts.keys() & files.keys():
        raise _refusal(f'the form has a text and a file that are both named "{clip(name)}"; rename one of them')
    return texts, files


def _parts(request: Request) -> Iterator[tuple[Field | File, list[bytes]]]:
    """Yield the head of each part, and its content in pieces."""
    part: Field | File | None = None
    content: list[bytes] = []
    for event in _events(request):
        if isinstance(event, Field | File):
            part, content = event, []
        elif isinstance(event, Data) and part is not None:
            content.append(event.data)
            if not event.more_data:
                yield part, content


def _events(request: Request) -> Iterator[Event]:
    boundary = parse_options_header(request.content_type)[1].get("boundary", "")
    if not boundary:
        raise _refusal("the Content-Type has no boundary; multipart/form-data needs one")
    try:
        decoder = MultipartDecoder(boundary.encode("latin-1"), max_parts=MAX_PARTS)
        for piece in _pieces(request.body):
            decoder.receive_data(piece)
            while not isinstance(event := decoder.next_event(), Epilogue | NeedData):
                yield event
            if decoder.state is State.PART and len(decoder.buffer) > MAX_HEAD:
                raise _refusal(f"the headers of a part have more than {MAX_HEAD:,} bytes")
    except RequestEntityTooLarge:
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the form has more than {MAX_PARTS:,} parts") from None
    except ValueError:
        raise _refusal(_MALFORMED) from None


def _pieces(body: bytes) -> Iterator[bytes | None]:
    """Cut a body so that the head of a part is never read at once if it is too long; None is the end."""
    for begin in range(0, len(body), MAX_HEAD):
        yield body[begin : begin + MAX_HEAD]
    yield None


def _decode(part: Field, content: bytes) -> str:
    charset = parse_options_header(part.headers.get("content-type"))[1].get("charset", "").lower()
    try:
        return content.decode(charset if charset in _CHARSETS else "utf-8")
    except UnicodeDecodeError:
        raise _refusal(f'"{clip(part.name)}" is not UTF-8') from None


def _refusal(detail: str) -> Problem:
    return Problem(HTTPStatus.BAD_REQUEST, detail)
