"""The settings of a service as frozen records, and what every record of a spec has: it knows its places."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from engine.diagnostics import Diagnostic, Place
from engine.errors import SpecError
from engine.spec.reading.node import Node

RATE_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A piece of a spec that knows its place."""

    node: Node = field(repr=False, compare=False)

    def place(self, *path: str | int) -> Place:
        """Return the place of a field, as far as the path leads: `model.place("features", 2)`."""
        return self.node.follow(path).place

    def error(self, message: str, *path: str | int) -> SpecError:
        """Make the error for a mistake that a later stage found in a field."""
        node = self.node.follow(path)
        return SpecError([Diagnostic(node.place, node.hidden(message))])


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits(Record):
    """The limits of a request: `body`, `url` and `headers` in bytes, `instances` in one request to a model.

    A worker handles `concurrent` requests to a route with a model or an input at once, and has as many of any route
    wait for an injected delay or failure. A body may take `body_time` seconds and must arrive at `body_rate` bytes
    a second, an answer must be read at `response_rate`; one address may have that many `connections`, or any number
    if it is None.
    """

    body: int = 1024 * 1024
    url: int = 8 * 1024
    headers: int = 64 * 1024
    instances: int = 10_000
    concurrent: int = 256
    body_time: float = 30.0
    body_rate: int = 1024
    response_rate: int = 1024
    connections: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth(Record):
    """The API keys: each one's name and SHA-256 digest; `required` is the default for routes."""

    keys: tuple[tuple[str, bytes], ...] = field(repr=False)
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Cors(Record):
    """The origins whose pages may send requests and read the answers; `max_age` in seconds."""

    origins: tuple[str, ...]
    headers: tuple[str, ...] = ()
    expose: tuple[str, ...] = ()
    credentials: bool = False
    max_age: int = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit(Record):
    """So many requests in so many seconds."""

    requests: int
    seconds: int

    def __str__(self) -> str:
        """Write the rate in a spec's syntax."""
        units = {seconds: unit for unit, seconds in RATE_SECONDS.items()}
        return f"{self.requests}/{units[self.seconds]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates(Record):
    """Where rates are counted, `memory` or the URL of a Redis server, and what happens if that fails."""

    storage: str = field(default="memory", repr=False)
    on_storage_failure: Literal["allow", "refuse"] = "allow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay(Record):
    """The seconds that an answer waits, drawn between `low` and `high`, in a part of the requests (`chance`, of 1).

    Its place, as that of a `Failure`, is the mapping that has the keys.
    """

    low: float
    high: float
    chance: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure(Record):
    """How requests fail, in a part of them: the connection is reset, or closed after `hold` seconds."""

    kind: Literal["reset", "timeout"]
    hold: float
    chance: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """The delay and the failure that are injected; where both have one place, its chance is drawn once for both."""

    delay: Delay | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Service(Record):
    """The settings of the whole service.

    `allowed` names the keys that may ask where a route says nothing else, None where nobody needs one; `proxies` is
    how many proxies stand in front and write down the client's address. `base_path` begins the paths of all requests
    that come through a proxy that does not remove it; it is empty, or begins with a slash and does not end with one.
    `fault` is that of routes which say nothing else, and `seed` fixes what is drawn.
    """

    title: str = "Service"
    version: str = "0.0.0"
    description: str = ""
    errors: Literal["problem", "html"] = "problem"
    formats: Literal["check", "annotate"] = "check"
    limits: Limits
    auth: Auth | None = None
    allowed: tuple[str, ...] | None = None
    cors: Cors | None = None
    rate: RateLimit | None = None
    rates: Rates
    proxies: int = 0
    base_path: str = ""
    response_headers: tuple[tuple[str, str], ...] = ()
    model_header: bool = False
    fault: Fault | None = None
    seed: int | None = None

    @property
    def checks_formats(self) -> bool:
        """Whether values must have the `format` that their schemas name."""
        return self.formats == "check"
