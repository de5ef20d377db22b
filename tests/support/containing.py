"""What tests of containers share."""

from __future__ import annotations

import sys
from pathlib import Path


def python_mounts() -> list[str]:
    """The options of bwrap by which any user can run this Python, also if it is installed in root's home."""
    base = Path(sys.base_prefix).resolve()
    closed = [parent for parent in base.parents if not parent.stat().st_mode & 0o001]
    if not closed:
        return []
    inner = [parent for parent in base.parents if parent.is_relative_to(closed[-1])][:-1]
    opened = [word for parent in reversed(inner) for word in ("--perms", "0755", "--dir", str(parent))]
    return ["--tmpfs", str(closed[-1]), *opened, "--ro-bind", str(base), str(base)]
