"""Content codings of request bodies (RFC 9110, section 8.4): gzip and deflate are decoded, within bounds."""

from __future__ import annotations

import threading
import zlib
from http import HTTPStatus

from engine.endpoints import Problem
from engine.endpoints.problems import overloaded
from engine.errors import Overloaded

TAKEN = ("Accept-Encoding", "gzip, deflate")
# The most memory that all decoded bodies of this process may use together.
HELD_BYTES = 64 * 1024 * 1024
_CHUNK = 4 * 1024  # small, because zlib copies the rest of its input at the end of a member of a gzip file
_RATIO = 1100  # one byte of deflate becomes no more than 1,032
_GZIP, _ZLIB, _BARE = 31, 15, -15  # zlib's names for the formats
_FULL = Overloaded("the service is decoding too many other bodies")


class Decoder:
    """Decodes the bodies of one app and counts the bytes still in use."""

    def __init__(self, largest: int) -> None:
        self._most = max(HELD_BYTES, 2 * largest)
        self._held = 0
        self._lock = threading.Lock()

    def decode(self, body: bytes, coding: str, limit: int) -> bytes:
        """Decode a body to at most `limit` bytes; the caller passes its size to `release` after use.

        Raises `Problem`: 413 for a larger body, 400 for a broken one, 415 for another coding, and 503 if other bodies
        use all the memory.
        """
        most = min(limit, _RATIO * len(body))
        self._hold(most)
        try:
            decoded = _decoded(body, coding, limit)
        except Problem:
            self.release(most)
            raise
        self.release(most - len(decoded))
        return decoded

    def release(self, count: int) -> None:
        with self._lock:
            self._held -= count

    def _hold(self, count: int) -> None:
        with self._lock:
            if self._held + count > self._most:
                raise overloaded(_FULL)
            self._held += count


def _decoded(body: bytes, coding: str, limit: int) -> bytes:
    if coding not in ("gzip", "x-gzip", "deflate"):
        detail = f'the content coding "{coding[:60]}" is not supported; send gzip, deflate, or no Content-Encoding'
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail, headers=(TAKEN,))
    try:
        return _inflated(body, _format(body) if coding == "deflate" else _GZIP, limit)
    except (zlib.error, EOFError):
        what = f"the body is not valid {coding}, as its Content-Encoding says"
        detail = f"{what}; send it compressed whole, or without that header"
        raise Problem(HTTPStatus.BAD_REQUEST, detail) from None


def _format(body: bytes) -> int:
    """Detect zlib's frame (RFC 1950), which HTTP requires and some clients leave out."""
    has_frame = len(body) > 1 and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0  # noqa: PLR2004
    return _ZLIB if has_frame else _BARE


def _inflated(body: bytes, wbits: int, limit: int) -> bytes:
    """Inflate every member of a body; raise `EOFError` if one is incomplete."""
    view, at, size, pieces = memoryview(body), 0, 0, []
    inflater = zlib.decompressobj(wbits)
    while at < len(body):
        if inflater.eof:
            if wbits != _GZIP:
                raise zlib.error("data after the end")
            inflater = zlib.decompressobj(wbits)
        chunk = view[at : at + _CHUNK]
        piece = inflater.decompress(chunk, limit + 1 - size)
        at += len(chunk) - len(inflater.unused_data)
        size += len(piece)
        if size > limit:
            detail = f"the body is larger than {limit:,} bytes once it is decoded"
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
        pieces.append(piece)
    if not inflater.eof:
        raise EOFError
    return b"".join(pieces)
