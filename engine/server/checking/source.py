"""Where a spec is read from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.bundle import unpack
from engine.models import PreparedModel
from engine.spec import Spec, load


@dataclass(frozen=True, slots=True)
class SpecSource:
    """Where a spec is read from, and by how many workers it is served.

    If `locked`, nothing is served that is not pinned, and nothing is pinned. With a `bundle`, the spec and its models
    come from that, whatever the two files are, if it has this `sha256`, or any if that is None.
    """

    routes: str
    models: str | None
    locked: bool = False
    workers: int = 1
    bundle: Path | None = None
    sha256: str | None = None

    def read(
        self, opens: Callable[[Iterable[Path]], None] = lambda _: None
    ) -> tuple[Spec, Mapping[str, PreparedModel] | None]:
        """Read the spec, and its models where they come compiled; raise `SpecError`."""
        if self.bundle is not None:
            return unpack(self.bundle, self.sha256, opens)
        return load(self.routes, self.models, locked=self.locked, opens=opens), None
