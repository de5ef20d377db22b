"""A check in a process of its own: what goes wrong there harms no service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from engine.isolation import Progress, Tell, run_isolated
from engine.server.checking.check import CheckResult, check
from engine.server.checking.source import SpecSource
from engine.server.checking.stamps import Stamp


def check_isolated(
    source: SpecSource,
    progress: Progress = lambda _: None,
    stamped: Callable[[Mapping[Path, Stamp]], None] = lambda _: None,
) -> CheckResult:
    """Check a spec in another process, as `check` does here; raise `Lost` where that process is lost."""

    def hear(told: Any) -> None:
        (progress if isinstance(told, str) else stamped)(told)

    return run_isolated(_check, source, hear=hear)


def _check(source: SpecSource, tell: Tell) -> CheckResult:
    return check(source, tell, tell)
