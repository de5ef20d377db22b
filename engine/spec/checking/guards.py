"""Guards in routes.yaml: API keys, other origins and rates, of the service and of single routes."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from engine.diagnostics import Diagnostic
from engine.spec.gathering.placed_routes import PlacedRoute
from engine.spec.named_files import Home
from engine.spec.reading.node import Node
from engine.spec.service_records import RATE_SECONDS, Auth, Cors, RateLimit, Rates
from engine.text import did_you_mean

LEAST_KEY, MAX_KEY = 16, 4096
_MAX_FILE = 8 * 1024 * 1024
_OF_NOTHING = hashlib.sha256(b"").digest()
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")
_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://([a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(:(?P<port>[1-9][0-9]{0,4}))?"
)
_PORTS = {"http": 80, "https": 443}
_MAX_PORT = 65_535
_SENT_BY = {
    "cors": ("access-control-allow-origin", "access-control-allow-credentials", "access-control-expose-headers"),
    "rate_limit": ("ratelimit", "ratelimit-policy"),
}
_RATE = re.compile(rf"(?P<requests>[1-9][0-9]{{0,8}}) ?/ ?(?P<unit>{'|'.join(RATE_SECONDS)})")
_RATE_ELSEWHERE = re.compile(
    r"(?P<requests>[1-9][0-9]{0,8}) *(?:requests?|reqs?|r)? *(?:/|per) *1? *"
    r"(?P<unit>s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)",
    re.IGNORECASE,
)
_STORAGES = ("redis://", "rediss://", "redis+unix://")


def check_guards(root: Node, routes: Iterable[PlacedRoute], home: Home) -> Iterator[Diagnostic]:
    """Return every mistake in the guards."""
    service = root["service"]
    yield from _check_keys(service["auth"]["api_keys"], home)
    yield from _check_cors(service["cors"])
    yield from _check_rate(service["rate_limit"])
    names = [key["name"].text for key in service["auth"]["api_keys"].items if key["name"].text is not None]
    yield from _check_shared_counts(service)
    for placed in routes:
        route = placed.node
        yield from _check_allowed(route["auth"], "auth" in service, names)
        yield from _check_cors(route["cors"])
        yield from _check_rate(route["rate_limit"])
        yield from _check_own_headers(route, service)
    for key in ("built_in", "protocols"):
        for _, _, settings in service[key].pairs():
            yield from _check_allowed(settings["auth"], "auth" in service, names)


def key_files(root: Node) -> list[Node]:
    """Return the files of digests that the spec names."""
    return [key["file"] for key in root["service"]["auth"]["api_keys"].items]


def read_auth(node: Node, home: Home) -> Auth | None:
    """Make the record of the API keys, from a document without mistakes."""
    if not node.present:
        return None
    keys = [
        (key["name"].plain, digest) for key in node["api_keys"].items for digest, _ in _digests(key, home) if digest
    ]
    required = node["required"].plain
    return Auth(node=node, keys=tuple(keys), required=required is None or required)


def allowed_names(node: Node, auth: Auth | None, default: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Return the names of the keys that may use a route: its own `auth`, else the default; None if it needs no key."""
    if auth is None or node.plain is False:
        return None
    if node.plain is True:
        return key_names(auth)
    return tuple(node.plain) if node.present else default


def key_names(auth: Auth) -> tuple[str, ...]:
    """Name every key once."""
    return tuple(dict.fromkeys(name for name, _ in auth.keys))


def read_cors(node: Node, default: Cors | None) -> Cors | None:
    """Make the record of a `cors`, which is false, a mapping, or absent."""
    if node.fields is None:
        return None if node.plain is False else default
    chosen: dict[str, Any] = {
        name: tuple(value.plain) if isinstance(value.plain, list) else value.plain for name, _, value in node.pairs()
    }
    return Cors(node=node, **chosen)


def read_rate(node: Node, default: RateLimit | None) -> RateLimit | None:
    """Make the record of a `rate_limit`, which is false, a rate, a mapping with one, or absent."""
    rate = node["limit"] if node.fields is not None else node
    if rate.text is None:
        return None if rate.plain is False else default
    found = _RATE.fullmatch(rate.text)
    if found is None:
        return default
    return RateLimit(node=rate, requests=int(found["requests"]), seconds=RATE_SECONDS[found["unit"]])


def read_rates(node: Node) -> Rates:
    """Make the record of the storage of rates."""
    return Rates(node=node, **{key: value.plain for key, _, value in node.pairs() if key != "limit"})


def _check_keys(keys: Node, home: Home) -> Iterator[Diagnostic]:
    known: dict[bytes, str] = {}
    for key in keys.items:
        if "env" in key and "file" in key:
            continue
        at = key["file"] if "file" in key else key["env"]
        found = list(_digests(key, home))
        if not found and "file" in key:
            how = 'to make one: printf %s "$KEY" | sha256sum'
            yield at.error(f'file "{at.text}" has no digest, so no client can use this key; {how}', "warning")
        for digest, mistake in found:
            if mistake:
                yield at.error(mistake)
            elif known.setdefault(digest, key["name"].text or "") != key["name"].text:
                yield at.error(f'this is the same key as that of "{known[digest]}"; give each name keys of its own')


def _digests(key: Node, home: Home) -> Iterator[tuple[bytes, str]]:
    """Return each digest of an entry, or what is wrong with it."""
    variable, file = key["env"].text, key["file"].text
    if variable is not None:
        value = os.environ.get(variable)
        mistake = _weakness(variable, value)
        yield (b"", mistake) if mistake else (hashlib.sha256((value or "").encode()).digest(), "")
    elif file is not None:
        try:
            entries = _entries(home, file)
        except ValueError as error:
            yield b"", f'file "{file}" {error}'
            return
        for number, digest in entries:
            if not _DIGEST.fullmatch(digest):
                yield b"", f'file "{file}", line {number}: not a SHA-256 digest of 64 hexadecimal digits'
                return
            if bytes.fromhex(digest) == _OF_NOTHING:
                yield b"", f'file "{file}", line {number}: this is the digest of no characters at all; $KEY was empty'
                return
            yield bytes.fromhex(digest), ""


def _entries(home: Home, file: str) -> list[tuple[int, str]]:
    """Return the first word of each line that has one, with the line's number; raise `ValueError`, for the author."""
    try:
        data = home.read_secret(file, _MAX_FILE + 1)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    if len(data) > _MAX_FILE:
        raise ValueError(f"is larger than {_MAX_FILE // 1024**2} MiB; it has a digest of 64 digits on each line")
    lines = data.decode("utf-8-sig", "replace").splitlines()
    return [(number, line.split()[0]) for number, line in enumerate(lines, 1) if line.split("#")[0].strip()]


def _weakness(variable: str, value: str | None) -> str:
    if value is None:
        return f'the environment variable "{variable}" is not set; set it to the key before the engine starts'
    if not (value.isascii() and value.isprintable()) or " " in value:
        return f'the key in "{variable}" has characters that no header carries; use letters and digits'
    if len(value) > MAX_KEY:
        return f'the key in "{variable}" has more than {MAX_KEY:,} characters, which no client can send'
    if len(value) < LEAST_KEY:
        return f'the key in "{variable}" is too short to be safe; make one of {LEAST_KEY} characters or more'
    return ""


def _check_allowed(auth: Node, declared: bool, names: Iterable[str]) -> Iterator[Diagnostic]:
    if auth.present and auth.plain is not False and not declared:
        yield auth.error('no API keys are declared; add "auth: {api_keys: [...]}" under service')
        return
    for name in auth.items:
        if name.text is not None and name.text not in names:
            yield name.error(f'unknown API key "{name.text}" {did_you_mean(name.text, names, "service has")}')


def _check_cors(cors: Node) -> Iterator[Diagnostic]:
    if cors.plain is True:
        yield cors.error('list the origins: "cors: {origins: [https://app.example.com]}"')
    origins = cors["origins"]
    for origin in origins.items:
        if origin.text is not None and origin.text != "*" and not _is_origin(origin.text):
            several = " name each of them;" if "*" in origin.text else ""
            yield origin.error(
                f'"{origin.text}" is not an origin;{several} write scheme, host and port as browsers send them, '
                "in lower case and with no path: https://app.example.com"
            )
    if cors["credentials"].plain is True and "*" in (origins.plain or ()):
        yield cors["credentials"].error("browsers send no credentials if every origin is allowed; list the origins")


def _is_origin(text: str) -> bool:
    found = _ORIGIN.fullmatch(text)
    port = int(found["port"] or 0) if found else 0
    return found is not None and port <= _MAX_PORT and port != _PORTS.get(found["scheme"])


def _check_shared_counts(service: Node) -> Iterator[Diagnostic]:
    """Warn of a Redis server in which two services would be counted together, because they have the same title."""
    storage = service["rate_limit"]["storage"]
    if storage.text is not None and storage.text.startswith(_STORAGES) and "title" not in service:
        yield storage.error(
            "services without a title count together in one Redis server; give this one a title", "warning"
        )


def _check_own_headers(route: Node, service: Node) -> Iterator[Diagnostic]:
    """Return the headers of a response that a guard sends too; browsers reject responses that have them twice."""
    for name, key, _ in route["response"]["headers"].pairs():
        if guard := guard_that_sends(name, route, service):
            yield key.error(f'{guard} already sends {name}; remove it, or set "{guard}: false" on this route')


def guard_that_sends(header: str, settings: Node, service: Node) -> str:
    """Return the guard of a route, or of the whole service, that sends a header; empty if none does."""
    for guard, names in _SENT_BY.items():
        declared = settings[guard] if guard in settings else service[guard]
        if declared.present and declared.plain is not False and header.lower() in names:
            return guard
    return ""


def _has_sound_port(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _meant_rate(text: str) -> str:
    if (found := _RATE_ELSEWHERE.fullmatch(text.strip())) is None:
        return "it as 100/minute, by second, minute, hour or day"
    return f"{found['requests']}/{next(unit for unit in RATE_SECONDS if unit[0] == found['unit'][0].lower())}"


def _check_rate(node: Node) -> Iterator[Diagnostic]:
    rate = node["limit"] if node.fields is not None else node
    if rate.text is not None and not _RATE.fullmatch(rate.text):
        yield rate.error(f'"{rate.text}" is not a rate; write {_meant_rate(rate.text)}')
    storage = node["storage"]
    if storage.text is not None and storage.text != "memory":
        if not storage.text.startswith(_STORAGES) or not _has_sound_port(storage.text):
            yield storage.error("storage must be memory or the URL of a Redis server, such as redis://localhost:6379/0")
        elif lacking := [name for name in ("limits", "redis") if importlib.util.find_spec(name) is None]:
            yield storage.error(f"rates in Redis need other packages: pip install {' '.join(lacking)}")
