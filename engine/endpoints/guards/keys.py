"""The API keys of a service, and the key in a request."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from http import HTTPStatus

from engine.endpoints.guards.client import Environ
from engine.endpoints.problems import Problem
from engine.spec import MAX_KEY, Service

_ASK = (("WWW-Authenticate", "Bearer"),)
_NOBODY = ("", bytes(hashlib.sha256().digest_size))


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
