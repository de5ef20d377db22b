"""The requests and responses of endpoints, independent of any framework."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol
from uuid import UUID

import orjson

Headers = tuple[tuple[str, str], ...]
Environ = Mapping[str, Any]  # a request as PEP 3333 has it
Failing = Literal["", "reset", "timeout"]
_USUAL_RATIO = 20  # the ratio of a JSON body to its gzip form


class Sending:
    """How the answer to one request is sent: after so many `seconds`, or not at all, where it `fails`.

    `delay` are the seconds of these that the answer is delayed; the others are those for which a timeout holds it.
    """

    __slots__ = ("_free", "delay", "fails", "seconds")

    def __init__(self, delay: float, fails: Failing, hold: float, free: list[None]) -> None:
        self.delay, self.fails, self.seconds = delay, fails, delay + hold
        self._free: list[list[None]] = [free]

    @property
    def kinds(self) -> Sequence[str]:
        """What is injected."""
        return [*["delay"] * bool(self.delay), *[self.fails] * bool(self.fails)]

    def release(self) -> None:
        """Let another request wait; called once the request has waited, or has gone another way."""
        while self._free:
            self._free.pop().append(None)


@dataclass(slots=True)
class Request:
    """One request to an endpoint: `path` has the path parameters, converted by the route's URL rule.

    `query` is the query string as it was sent, percent-encoded. `client` is the client's address, empty if another
    client may be behind it. `is_one_of_several` says whether the server has several processes that answer. `sent` is
    the number of bytes that a client sent for a body that had to be decoded. `accept` is the header of that name, and
    `environ` has all others. An endpoint with injected faults sets `sending`; None sends the answer at once.
    """

    method: str
    path: Mapping[str, Any] = field(default_factory=dict)
    content_type: str = ""
    if_none_match: str = ""
    body: bytes = b""
    client: str = ""
    query: str = ""
    is_one_of_several: bool = False
    sent: int | None = None
    accept: str = ""
    environ: Environ = field(default_factory=dict)
    sending: Sending | None = None

    def paid(self, size: int) -> int:
        """Return how many bytes of a body count for its budget: a compressed body counts up to 20 times its size."""
        return size if self.sent is None else min(size, _USUAL_RATIO * self.sent)


@dataclass(slots=True)
class Response:
    """An answer; the server adds Content-Length and Date.

    A body that is not bytes is sent piece by piece, each as soon as it is there, and closed afterwards.
    """

    status: int
    headers: Headers
    body: bytes | Iterable[bytes]


class Endpoint(Protocol):
    """Answers a route's requests; made once, then called for every request, from several threads at the same time."""

    @property
    def constant(self) -> Response | None:
        """Return the response to every request that has no conditions; None if there is no such one."""
        return None

    @property
    def is_quick(self) -> bool:
        """Return whether it answers in microseconds, without waiting for anything."""
        return self.constant is not None

    @property
    def repeated(self) -> Sequence[bytes]:
        """Return the bodies that are sent again and again without change."""
        constant = self.constant
        return (constant.body,) if constant is not None and isinstance(constant.body, bytes) else ()

    def __call__(self, request: Request) -> Response:
        """Answer one request; raise `Problem` if the answer is an error."""

    def refuse(self, request: Request, busy: Exception) -> Response:  # noqa: ARG002 - most have no other answer
        """Answer a request for which there is no room; raise the problem if there is no other answer."""
        raise busy


def encode_json(value: Any) -> bytes:
    """Write JSON as Flask's jsonify does: compact, with a line break at the end."""
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)


def encode_value(value: Any) -> bytes:
    """Write a JSON value, compact, with integers of any length."""
    try:
        return orjson.dumps(value)
    except TypeError:  # an integer beyond 64 bits
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_plain).encode()


def _plain(value: Any) -> str:
    """Write a UUID, which orjson knows itself; raise `TypeError` for anything else that JSON does not have."""
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def encode_any_json(value: Any) -> bytes:
    """Write JSON in the form of `encode_json`, with integers of any length."""
    return encode_value(value) + b"\n"
