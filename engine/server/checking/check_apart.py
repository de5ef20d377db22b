"""A check in a process of its own: what goes wrong there harms no service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from engine.apart import Tell, run_apart
from engine.server.checking.check import Outcome, Progress, check
from engine.server.checking.source import Source
from engine.server.checking.stamps import Stamp


def check_apart(
    source: Source,
    progress: Progress = lambda _: None,
    stamped: Callable[[Mapping[Path, Stamp]], None] = lambda _: None,
) -> Outcome:
    """Check a spec in another process, as `check` does here; raise `Lost` where that process is lost."""

    def hear(told: Any) -> None:
        (progress if isinstance(told, str) else stamped)(told)

    return run_apart(_check, source, hear=hear)


def _check(source: Source, tell: Tell) -> Outcome:
    return check(source, tell, tell)
