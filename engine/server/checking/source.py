"""Where a spec is read from, and what changes when one of its files does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.bundle import unpack
from engine.models import PreparedModel
from engine.spec import Spec, load

Stamp = tuple[int, ...] | None


def stamps(files: Iterable[Path]) -> dict[Path, Stamp]:
    """Return the files' stamps."""
    return {file: stamp(file) for file in files}


def stamp(file: Path) -> Stamp:
    """Return what changes when a file does; None where there is no such file."""
    try:
        found = file.stat()
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev


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
