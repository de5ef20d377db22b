"""Forms with files (multipart/form-data, RFC 7578), read by Werkzeug; a file becomes its name, type and size."""

from __future__ import annotations

import io
from http import HTTPStatus
from typing import IO, Any

from werkzeug.exceptions import HTTPException
from werkzeug.formparser import MultiPartParser
from werkzeug.http import parse_options_header

from engine.endpoints.messages import Request
from engine.endpoints.problems import Problem

MAX_PARTS = 1000
_MALFORMED = "the body is not valid multipart/form-data; send each part between lines with the boundary of Content-Type"


class _Counter(io.RawIOBase):
    """Takes a file's bytes and keeps only their number."""

    def __init__(self) -> None:
        super().__init__()
        self.size = 0

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:  # noqa: ARG002 - as the parser asks at the end of a part
        return 0

    def write(self, data: Any, /) -> int:
        self.size += len(data)
        return len(data)


def parse_multipart(request: Request) -> tuple[dict[str, list[str]], dict[str, list[dict[str, Any]]]]:
    """Return the texts and the files of a form, each by name; raise `Problem` for a body that is malformed.

    A file is described by its `name`, `type` and `size`.
    """
    _, options = parse_options_header(request.content_type)
    boundary = options.get("boundary", "")
    if not boundary:
        raise Problem(HTTPStatus.BAD_REQUEST, "the Content-Type has no boundary; multipart/form-data needs one")
    parser = MultiPartParser(_make_counter, max_form_memory_size=None, max_form_parts=MAX_PARTS)
    try:
        fields, files = parser.parse(io.BytesIO(request.body), boundary.encode("latin-1"), len(request.body))
    except HTTPException:
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the form has more than {MAX_PARTS:,} parts") from None
    except ValueError:
        raise Problem(HTTPStatus.BAD_REQUEST, _MALFORMED) from None
    if None in fields or None in files:
        raise Problem(HTTPStatus.BAD_REQUEST, "a part of the form has no name; each needs one (RFC 7578, section 4.2)")
    described = {
        name: [
            {"name": one.filename or "", "type": one.mimetype or "application/octet-stream", "size": _size(one.stream)}
            for one in found
        ]
        for name, found in files.lists()
    }
    return {name: list(texts) for name, texts in fields.lists()}, described


def _make_counter(
    total_content_length: int | None,  # noqa: ARG001 - as the parser calls it
    content_type: str | None,  # noqa: ARG001
    filename: str | None,  # noqa: ARG001
    content_length: int | None = None,  # noqa: ARG001
) -> IO[bytes]:
    return _Counter()  # type: ignore[return-value]


def _size(stream: object) -> int:
    return stream.size if isinstance(stream, _Counter) else 0
