"""Open a spec's models in a separate process; if that process is lost, report the model that it was at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from engine.isolation import LostProcess, Progress, run_isolated
from engine.models.compiling.prepare import needs_sklearn
from engine.spec import Spec

Result = TypeVar("Result")


def run_with_models(
    spec: Spec,
    work: Callable[..., Result],
    *arguments: Any,
    progress: Progress,
    here: Callable[[Progress], Result] | None = None,
) -> Result:
    """Return `work(*arguments, progress)`, which opens models of the spec, in another process unless all are compiled.

    If they are, `here` may do the same in this process, with what this one has read already.

    Raises the exceptions of `work`, or `SpecError` at the model that exceeded the limits of time or memory.
    """
    if not needs_sklearn(spec):
        return work(*arguments, progress) if here is None else here(progress)
    with lost_at_models(spec):
        return run_isolated(work, *arguments, hear=progress)


@contextmanager
def lost_at_models(spec: Spec) -> Iterator[None]:
    """Raise `SpecError`, instead of `LostProcess`, at the model in whose step a process was lost."""
    try:
        yield
    except LostProcess as lost:
        model = spec.models.get(lost.step.subject)
        if model is None:
            raise
        raise model.error(f"stopped while {lost.step.doing}: {lost.why}{_advice(lost)}", "file") from None


def _advice(lost: LostProcess) -> str:
    """Say what may help, empty if the reason does."""
    if lost.step.doing.startswith("proving"):
        return "; runtime: sklearn serves it uncompiled"
    is_crash = "signal" in lost.why and "SIGKILL" not in lost.why
    return "; the file may be damaged: save the model again" if is_crash else ""
