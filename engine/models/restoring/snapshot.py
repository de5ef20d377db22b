"""A spec with its prepared models, as bytes for another process of the engine."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from engine.collecting import pause_collector
from engine.models.restoring.prepared import PreparedModel
from engine.spec import Spec

_PICKLE_DEPTH = 20_000  # a spec may nest 200 levels deep, each of them several calls


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A spec and its models, ready to be served in any process of this machine."""

    spec: Spec
    prepared: Mapping[str, PreparedModel]

    def dump(self) -> bytes:
        """Write it for another process of the engine."""
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(max(limit, _PICKLE_DEPTH))
        try:
            with pause_collector():
                return pickle.dumps(self, protocol=pickle.HIGHEST_PROTOCOL)
        finally:
            sys.setrecursionlimit(limit)

    @staticmethod
    def load(payload: bytes) -> Snapshot:
        """Read the output of `dump`, which always comes from this service's own processes."""
        with pause_collector():
            snapshot: Snapshot = pickle.loads(payload)  # noqa: S301 - see above
        return snapshot
