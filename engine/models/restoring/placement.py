"""Where a model of a cluster is computed: in a deployment of its own, or in the replicas that take the requests.

A call to another process costs about as much as a whole request, so a model has to be worth it.
"""

from __future__ import annotations

from engine.models.predictor import Placement
from engine.models.restoring.compiled_model import CompiledModel
from engine.spec import FileModel, StandIn

LARGE_BYTES = 256 * 1024 * 1024
"""From this size on, a compiled model is not copied into every replica that takes requests."""

SLOW_SECONDS = 0.005
"""From this time for one row on, a compiled model would keep such a replica from its other requests."""

CALL_SECONDS = 0.001
"""What a call to another process costs at least."""

_MIB = 1024 * 1024


def place_model(model: FileModel | StandIn, compiled: CompiledModel | None) -> Placement:
    """Return where a model is computed under `engine ray`, and why; `compiled` is None for a stand-in."""
    if model.scale is None:
        return Placement(is_apart=False, why="it has no scale")
    if compiled is None or isinstance(model, StandIn):
        return Placement(is_apart=False, why="its examples answer until its file exists")
    if compiled.program is None:
        return Placement(is_apart=True, why=_of_library(compiled))
    size, seconds = size_in_memory(compiled), compiled.report.seconds
    if size >= LARGE_BYTES:
        bound = f"and from {LARGE_BYTES // _MIB} MiB on, not every replica gets a copy"
        return Placement(
            is_apart=True, why=f"it is compiled ({compiled.report.runtime}) to {size // _MIB} MiB, {bound}"
        )
    if seconds is not None and seconds >= SLOW_SECONDS:
        why = f"it is compiled ({compiled.report.runtime}), but takes {_milliseconds(seconds)} for one row"
        return Placement(is_apart=True, why=why)
    return Placement(is_apart=False, why=_of_small(compiled, seconds))


def size_in_memory(compiled: CompiledModel) -> int:
    """Return about how many bytes a model occupies in each process that computes it."""
    return sum(map(len, compiled.programs)) + (compiled.size if compiled.needs_estimator else 0)


def _of_library(compiled: CompiledModel) -> str:
    report = compiled.report
    took = f", in {_milliseconds(report.one_row)} for one row" if report.one_row is not None else ""
    return f"{report.library} serves it{took}"


def _of_small(compiled: CompiledModel, seconds: float | None) -> str:
    took = "" if seconds is None else f" and takes {_milliseconds(seconds)} for one row"
    is_quick = seconds is None or seconds < CALL_SECONDS
    costs = "costs more" if is_quick else f"is worth it from {_milliseconds(SLOW_SECONDS)} on"
    return f"it is compiled ({compiled.report.runtime}){took}; a call to another process {costs}"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms"
