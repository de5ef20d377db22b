"""Decide who may send requests, from which origins, and how often, from the environ (PEP 3333), before any endpoint."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from engine.endpoints.messages import Headers
from engine.endpoints.metrics import Meter
from engine.endpoints.problems import Problem
from engine.endpoints.rates import Rate, Storage
from engine.spec import MAX_KEY, Cors, Route, Service

Environ = Mapping[str, Any]

_ADDRESS = re.compile(
    r"\[(?P<in_brackets>[^\]%]*)(?:%[^\]]*)?\](?::[0-9]+)?|(?P<before_port>[0-9.]+):[0-9]+|(?P<alone>[^%]*)(?:%.*)?"
)
_LONGEST_ADDRESS = 128  # with brackets, a scope and a port
_ASK = (("WWW-Authenticate", "Bearer"),)
# An answer to a client with a key must not reach other clients, not even from a cache.
_KEYED = ("Vary", "Authorization, X-API-Key")
_NOBODY = ("", bytes(hashlib.sha256().digest_size))
_SENT_HEADERS = ("Authorization", "Content-Type", "X-API-Key", "X-Request-ID", "traceparent")


@dataclass(slots=True)
class Admission:
    """The guards' decision on a request: the `headers` of its answer, and the `problem`, if it is refused.

    `key` is the name of the API key that was sent.
    """

    headers: Headers = ()
    problem: Problem | None = None
    key: str = ""


class Keys:
    """The API keys of a service, of which only digests are kept.

    A key that was sent is looked up by a keyed hash of its digest. Only this process knows the hash's key, so the time
    of a look-up reveals nothing about the API keys.
    """

    def __init__(self, service: Service) -> None:
        self._secret = secrets.token_bytes(32)
        found = service.auth.keys if service.auth is not None else ()
        self._names = {self._masked(digest): (name, digest) for name, digest in found}

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return bool(self._names)

    def identify(self, environ: Environ) -> tuple[str, Problem | None]:
        """Return the name of the key in a request, or the problem with it."""
        sent = [key for key in (_bearer(environ), environ.get("HTTP_X_API_KEY")) if key is not None]
        if not any(sent):
            detail = "an API key is required: send it as Authorization: Bearer KEY, or as X-API-Key: KEY"
            return "", Problem(HTTPStatus.UNAUTHORIZED, detail, headers=_ASK)
        if len(set(sent)) > 1:
            detail = "Authorization and X-API-Key have different keys; send one"
            return "", Problem(HTTPStatus.UNAUTHORIZED, detail, headers=_ASK)
        name = self.find(sent[0]) if len(sent[0]) <= MAX_KEY else None
        if name is not None:
            return name, None
        wrong = (("WWW-Authenticate", 'Bearer error="invalid_token"'),)
        return "", Problem(HTTPStatus.UNAUTHORIZED, "unknown API key", headers=wrong)

    def find(self, key: str) -> str | None:
        """Return the name of a key, by the same steps for a right and a wrong one; None for a wrong one."""
        digest = hashlib.sha256(key.encode("latin-1", "replace")).digest()
        name, known = self._names.get(self._masked(digest), _NOBODY)
        return name if hmac.compare_digest(known, digest) else None

    def _masked(self, digest: bytes) -> bytes:
        return hashlib.blake2b(digest, key=self._secret, digest_size=16).digest()


class Guard:
    """The guard of one route, or of paths without a route."""

    def __init__(
        self, keys: Keys, allowed: tuple[str, ...] | None, cors: Cors | None, rate: Rate | None, proxies: int
    ) -> None:
        self._keys = keys
        self._allowed = None if allowed is None else frozenset(allowed)
        self._cors = cors
        self._rate = rate
        self._proxies = proxies

    @property
    def stands(self) -> bool:
        """Return whether there is anything to check."""
        return self._allowed is not None or self._cors is not None or self._rate is not None

    @property
    def waits(self) -> bool:
        """Return whether the decision may have to wait for another service."""
        return self._rate is not None and self._rate.waits

    def preflight(self, environ: Environ) -> Headers | None:
        """Return the headers that allow a preflight's request; None if it is not allowed."""
        if self._cors is None or not is_preflight(environ):
            return None
        headers, allowed = shared(self._cors, environ)
        return (*headers, *_preflight(self._cors)) if allowed else None

    def identify(self, environ: Environ) -> tuple[str, Problem | None]:
        """Return the name of the key in a request, if it is needed, or the problem with it."""
        if self._allowed is None:
            counted = self._rate is not None and self._keys
            return self._keys.identify(environ)[0] if counted else "", None
        name, problem = self._keys.identify(environ)
        if problem is None and name not in self._allowed:
            problem = Problem(HTTPStatus.FORBIDDEN, f'the key "{name}" may not use this route')
        return name, problem

    def admit(self, environ: Environ) -> Admission:
        """Decide on a request; refused ones count against the rate too."""
        headers: Headers = () if self._cors is None else shared(self._cors, environ)[0]
        name, problem = self.identify(environ)
        if self._allowed is not None:
            headers = (*headers, _KEYED)
        if self._rate is not None:
            who = f"key:{name}" if name else f"address:{_holder(client_address(environ, self._proxies))}"
            said, exceeded = self._rate.hit(who)
            headers, problem = (*headers, *said), exceeded or problem
        return Admission(headers, problem, key=name)


class Guards:
    """Every guard of a service, with the counters that they share."""

    def __init__(self, service: Service, routes: Iterable[Route], meter: Meter) -> None:
        """Make the guard of each of these routes, in their order, and the default."""
        keys, storage = Keys(service), Storage(service.rates, f"engine/{service.title}", meter)

        def of(route: Route) -> Guard:
            own = "" if route.rate is service.rate else f"{','.join(route.methods)} {route.path}"
            rate = Rate(route.rate, own, storage) if route.rate is not None else None
            return Guard(keys, route.allowed, route.cors, rate, service.proxies)

        shared_rate = Rate(service.rate, "", storage) if service.rate is not None else None
        self.default = Guard(keys, service.allowed, service.cors, shared_rate, service.proxies)
        self.routes = tuple(of(route) for route in routes)
        self.stand = self.default.stands or any(guard.stands for guard in self.routes)


def shared(cors: Cors, environ: Environ) -> tuple[Headers, bool]:
    """Return an answer's headers for other origins, and whether this page may read the answer.

    The CORS protocol is a part of the Fetch standard, https://fetch.spec.whatwg.org/#http-cors-protocol.
    """
    origin = environ.get("HTTP_ORIGIN", "")
    every = "*" in cors.origins
    vary: Headers = () if every else (("Vary", "Origin"),)
    if not every and origin not in cors.origins:
        return vary, False
    # Every client gets this header if all origins are allowed, since a cache may pass the answer to a page later.
    headers = [*vary, ("Access-Control-Allow-Origin", "*" if every else origin)]
    if cors.credentials:
        headers.append(("Access-Control-Allow-Credentials", "true"))
    if cors.expose:
        headers.append(("Access-Control-Expose-Headers", ", ".join(cors.expose)))
    return tuple(headers), bool(origin)


def is_preflight(environ: Environ) -> bool:
    """Return whether a request is a browser's preflight."""
    return environ["REQUEST_METHOD"] == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ


def client_address(environ: Environ, proxies: int) -> str:
    """Return the client's address, as the given number of proxies in front of this service have recorded it."""
    forwarded = environ.get("HTTP_X_FORWARDED_FOR", "").rsplit(",", proxies) if proxies else []
    written = forwarded[-proxies] if len(forwarded) >= proxies > 0 else ""
    return _address(written) or _address(environ.get("REMOTE_ADDR", ""))


def _address(written: str) -> str:
    """Return an address as `_plain` does, from any text; only possible addresses are cached."""
    return _plain(written) if len(written) <= _LONGEST_ADDRESS else ""


@lru_cache(maxsize=4096)
def _plain(written: str) -> str:
    """Return an address without a port, brackets or a scope, which some proxies add; empty if it is not an address."""
    form = _ADDRESS.fullmatch(written.strip())
    try:
        found = ipaddress.ip_address(next(filter(None, form.groups()), "") if form else "")
    except ValueError:
        return ""
    return str(getattr(found, "ipv4_mapped", None) or found)


@lru_cache(maxsize=4096)
def _holder(address: str) -> str:
    """Return the holder of an address: an IPv6 client has a whole network of 64 bits, and is counted by it."""
    return str(ipaddress.ip_network(f"{address}/64", strict=False)) if ":" in address else address


def _preflight(cors: Cors) -> Headers:
    names = ", ".join(dict.fromkeys((*_SENT_HEADERS, *cors.headers)))
    return ("Access-Control-Allow-Headers", names), ("Access-Control-Max-Age", str(cors.max_age))


def _bearer(environ: Environ) -> str | None:
    """Return the token in Authorization; None without that header, empty for another scheme."""
    if "HTTP_AUTHORIZATION" not in environ:
        return None
    scheme, _, token = environ["HTTP_AUTHORIZATION"].partition(" ")
    return str(token.strip()) if scheme.lower() == "bearer" else ""
