"""Decide who may send requests, from which origins, and how often, from the environ (PEP 3333), before any endpoint."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

from engine.endpoints.guards.client import client_address, holder_of_address
from engine.endpoints.guards.rates import Rate, Storage
from engine.endpoints.messages import Environ, Headers
from engine.endpoints.monitoring.metrics import Meter
from engine.endpoints.problems import Problem
from engine.spec import MAX_KEY, Cors, Route, Service

_ASK = (("WWW-Authenticate", "Bearer"),)
_NOBODY = ("", bytes(hashlib.sha256().digest_size))
_SENT_HEADERS = ("Authorization", "Content-Type", "X-API-Key", "X-Request-ID", "traceparent")
# An answer to a client with a key must not reach other clients, not even from a cache.
_KEYED = ("Vary", "Authorization, X-API-Key")


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


def _bearer(environ: Environ) -> str | None:
    """Return the token in Authorization; None without that header, empty for another scheme."""
    if "HTTP_AUTHORIZATION" not in environ:
        return None
    scheme, _, token = environ["HTTP_AUTHORIZATION"].partition(" ")
    return str(token.strip()) if scheme.lower() == "bearer" else ""


def origin_headers(cors: Cors, environ: Environ) -> tuple[Headers, bool]:
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


def preflight_headers(cors: Cors) -> Headers:
    """Return the headers by which a preflight is answered, beside the shared ones."""
    names = ", ".join(dict.fromkeys((*_SENT_HEADERS, *cors.headers)))
    return ("Access-Control-Allow-Headers", names), ("Access-Control-Max-Age", str(cors.max_age))


@dataclass(slots=True)
class Admission:
    """The guards' decision on a request: the `headers` of its answer, and the `problem`, if it is refused.

    `key` is the name of the API key that was sent.
    """

    headers: Headers = ()
    problem: Problem | None = None
    key: str = ""


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
        self.stands = allowed is not None or cors is not None or rate is not None  # there is anything to check
        self.waits = rate is not None and rate.waits  # the decision may have to wait for another service

    def preflight(self, environ: Environ) -> Headers | None:
        """Return the headers that allow a preflight's request; None if it is not allowed."""
        if self._cors is None or not is_preflight(environ):
            return None
        headers, allowed = origin_headers(self._cors, environ)
        return (*headers, *preflight_headers(self._cors)) if allowed else None

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
        headers: Headers = () if self._cors is None else origin_headers(self._cors, environ)[0]
        name, problem = self.identify(environ)
        if self._allowed is not None:
            headers = (*headers, _KEYED)
        if self._rate is not None:
            who = f"key:{name}" if name else f"address:{holder_of_address(client_address(environ, self._proxies))}"
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
