"""Snapshots in a cluster: each stands once in the store of Ray's head (its GCS), under the SHA-256 of its bytes.

Ray Serve keeps its own state there too, so that a snapshot lives exactly as long as the application that needs it,
whichever machine has put it there. It is stored in pieces, since Ray sends each value as one message.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from engine.errors import EngineError
from engine.installed import engine_version
from engine.models import hash_code
from engine.ray.store import delete_value, list_keys, read_value, write_value

_PIECE = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Stored:
    """A snapshot in the cluster: its SHA-256, its generation, its pieces, and what it was made with."""

    sha256: str
    generation: int
    pieces: int
    engine: str
    code: str
    python: str

    def require_same(self) -> None:
        """Raise `EngineError` unless this process can read it: a snapshot is made of Python objects."""
        here, there = _made_with(), {"endpoint-engine": self.engine, "Python": self.python}
        differing = [
            f"{name} {was}, and this node has {here[name]}" for name, was in there.items() if here[name] != was
        ]
        if not differing and self.code != hash_code():
            differing = [f"another endpoint-engine {self.engine} than this node has"]
        if differing:
            message = f"the service was checked with {'; with '.join(differing)}; install the same on every node"
            raise EngineError(message)


def place_snapshot(name: str, payload: bytes, previous: Stored | None) -> Stored:
    """Put the snapshot of an application into the cluster, unless it is there; return what names it."""
    sha256 = hashlib.sha256(payload).hexdigest()
    if previous is not None and previous.sha256 == sha256:
        return previous
    pieces = range(0, len(payload), _PIECE)
    for number, begin in enumerate(pieces):
        write_value(_key(name, sha256, number), payload[begin : begin + _PIECE])
    generation = _next_generation(name)
    engine, python = _made_with().values()
    return Stored(sha256, generation, len(pieces), engine, hash_code(), python)


def read_snapshot(name: str, stored: Stored) -> bytes:
    """Read a snapshot; raise `EngineError` where it is not there, or not for this process."""
    stored.require_same()
    keys = [_key(name, stored.sha256, number) for number in range(stored.pieces)]
    payload = b"".join(read_value(key) or b"" for key in keys)
    if hashlib.sha256(payload).hexdigest() != stored.sha256:
        message = f'the snapshot {stored.sha256[:12]} of "{name}" is no longer in the cluster; deploy it again'
        raise EngineError(message)
    return payload


def current_snapshot(name: str) -> Stored | None:
    """Return what names the snapshot that the application serves, None where nothing was deployed."""
    return None if (found := _read_current(name)) is None else Stored(**found["stored"])


def current_replicas(name: str) -> Mapping[str, Any]:
    """Return the replicas that the application was deployed with last, as `set_current` was told."""
    return {} if (found := _read_current(name)) is None else found["replicas"]


def set_current(name: str, stored: Stored, replicas: Mapping[str, Any], also: Stored | None = None) -> None:
    """Note what the application serves, and drop its other snapshots, but for one that is still served `also`."""
    noted = json.dumps({"stored": asdict(stored), "replicas": replicas}).encode()
    write_value(_current(name), noted)
    drop_snapshots(name, {one.sha256 for one in (stored, also) if one is not None})


def drop_snapshots(name: str, kept: Collection[str] = ()) -> None:
    """Drop the snapshots of an application but those of these hashes; without any, all that is known of it."""
    for key in list_keys(_prefix(name)):
        if not any(key.startswith(_key(name, sha256)) for sha256 in kept):
            delete_value(key)
    if not kept:
        for key in (_current(name), _last(name)):
            delete_value(key)


def _next_generation(name: str) -> int:
    """Return a number that no version of the application has had, also none that could not be served."""
    found = read_value(_last(name))
    generation = 1 if found is None else int(found) + 1
    write_value(_last(name), str(generation).encode())
    return generation


def _read_current(name: str) -> dict[str, Any] | None:
    found = read_value(_current(name))
    return None if found is None else json.loads(found)


def _prefix(name: str) -> str:
    return f"snapshot/{name}/"


def _key(name: str, sha256: str, number: int | None = None) -> str:
    return f"{_prefix(name)}{sha256}/{'' if number is None else number}"


def _current(name: str) -> str:
    return f"current/{name}"


def _last(name: str) -> str:
    return f"last/{name}"


def _made_with() -> dict[str, str]:
    """Name what has to be the same on every node."""
    return {"endpoint-engine": engine_version(), "Python": ".".join(platform.python_version_tuple()[:2])}
