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

from ray.experimental import internal_kv as kv

from engine.errors import EngineError
from engine.installed import engine_version
from engine.models import hash_code

_NAMESPACE = b"endpoint-engine"
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
        kv._internal_kv_put(_key(name, sha256, number), payload[begin : begin + _PIECE], namespace=_NAMESPACE)  # noqa: SLF001
    generation = _next_generation(name, previous)
    engine, python = _made_with().values()
    return Stored(sha256, generation, len(pieces), engine, hash_code(), python)


def read_snapshot(name: str, stored: Stored) -> bytes:
    """Read a snapshot; raise `EngineError` where it is not there, or not for this process."""
    stored.require_same()
    keys = [_key(name, stored.sha256, number) for number in range(stored.pieces)]
    payload = b"".join(kv._internal_kv_get(key, namespace=_NAMESPACE) or b"" for key in keys)  # noqa: SLF001
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
    kv._internal_kv_put(_current(name), noted, namespace=_NAMESPACE)  # noqa: SLF001
    drop_snapshots(name, {one.sha256 for one in (stored, also) if one is not None})


def drop_snapshots(name: str, kept: Collection[str] = ()) -> None:
    """Drop the snapshots of an application but those of these hashes; without any, all that is known of it."""
    for key in kv._internal_kv_list(_prefix(name), namespace=_NAMESPACE):  # noqa: SLF001
        if not any(key.startswith(_key(name, sha256)) for sha256 in kept):
            kv._internal_kv_del(key, namespace=_NAMESPACE)  # noqa: SLF001
    if not kept:
        for key in (_current(name), _last(name)):
            kv._internal_kv_del(key, namespace=_NAMESPACE)  # noqa: SLF001


def _next_generation(name: str, previous: Stored | None) -> int:
    """Return a number that no version of the application has had, also none that could not be served."""
    found = kv._internal_kv_get(_last(name), namespace=_NAMESPACE)  # noqa: SLF001
    generation = max(0 if found is None else int(found), 0 if previous is None else previous.generation) + 1
    kv._internal_kv_put(_last(name), str(generation).encode(), namespace=_NAMESPACE)  # noqa: SLF001
    return generation


def _read_current(name: str) -> dict[str, Any] | None:
    found = kv._internal_kv_get(_current(name), namespace=_NAMESPACE)  # noqa: SLF001
    return None if found is None else json.loads(found)


def _prefix(name: str) -> bytes:
    return f"snapshot/{name}/".encode()


def _key(name: str, sha256: str, number: int | None = None) -> bytes:
    return _prefix(name) + f"{sha256}/{'' if number is None else number}".encode()


def _current(name: str) -> bytes:
    return f"current/{name}".encode()


def _last(name: str) -> bytes:
    return f"last/{name}".encode()


def _made_with() -> dict[str, str]:
    """Name what has to be the same on every node."""
    return {"endpoint-engine": engine_version(), "Python": ".".join(platform.python_version_tuple()[:2])}
