"""Folders that all machines of a test see; each machine has a /tmp of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from conftest import ROOT


@contextmanager
def shared_folder() -> Iterator[Path]:
    """Make an empty folder, which is gone at the end."""
    (ROOT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / "build", prefix="shared-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)
