"""What opens a spec's models is done in a process of its own, and where that is lost, the model is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from engine.apart import Lost, run_apart
from engine.models.compile import Progress, needs_sklearn
from engine.spec import Spec

Result = TypeVar("Result")


def open_apart(spec: Spec, work: Callable[..., Result], *arguments: Any, progress: Progress) -> Result:
    """Return `work(*arguments, progress)`, which opens models of the spec, in another process unless all are compiled.

    Raises what it raises, or `SpecError` at the model that it was at when it took too much time or memory.
    """
    if not needs_sklearn(spec):
        return work(*arguments, progress)
    with lost_at_models(spec):
        return run_apart(work, *arguments, hear=progress)


@contextmanager
def lost_at_models(spec: Spec) -> Iterator[None]:
    """Raise `SpecError` at the model in whose step a process was lost, instead of `Lost`."""
    try:
        yield
    except Lost as lost:
        name, _, doing = lost.step.partition(": ")
        if name not in spec.models:
            raise
        model = spec.models[name]
        hint = "; runtime: sklearn serves it uncompiled" if doing.startswith("proving") else ""
        raise model.error(f"stopped while {doing}: {lost.why}{hint}", "file") from None
