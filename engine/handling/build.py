"""Two files, or a spec with its models → the handler of a service."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from engine.collecting import pause_collector
from engine.endpoints import Meter, ServiceState, Status, build_endpoints, show_models
from engine.handling.handler import Handler
from engine.isolation import Progress
from engine.models import LoadedEstimators, Predictor, compile_models
from engine.spec import Spec, load_spec


def open_service(
    routes: str | Path,
    models: str | Path | None = None,
    progress: Progress = lambda _: None,
    *,
    drafts: Mapping[Path, bytes] = MappingProxyType({}),
    opened: LoadedEstimators | None = None,
) -> tuple[Handler, Mapping[str, Predictor]]:
    """Read a spec, compile its models and build its handler; raise `SpecError` with every mistake found.

    `drafts` are read in place of files, `opened` has models that are loaded already, and `progress` is called with each
    step.
    """
    spec = load_spec(routes, models, drafts=drafts)
    predictors = compile_models(spec, progress, opened)
    return build_handler(spec, predictors), predictors


def build_handler(spec: Spec, predictors: Mapping[str, Predictor], process: ServiceState | None = None) -> Handler:
    """Make the handler of a loaded spec with its models.

    `process` knows the state of the service; without it, the handler reports on its own process.
    """
    process = process or _alone(predictors)
    with pause_collector():
        mounted, guards = build_endpoints(spec, predictors, process)
        if process.spans is not None:
            from engine.handling.traced import TracedHandler  # noqa: PLC0415 - only where there are traces

            return TracedHandler(spec, mounted, guards, process.meter, process.spans)
        return Handler(spec, mounted, guards, process.meter)


def _alone(predictors: Mapping[str, Predictor]) -> ServiceState:
    """Report on this process as the whole service."""
    meter = Meter()

    def status() -> Status:
        models = show_models(predictor.facts for predictor in predictors.values())
        workers = [{"number": 1, "pid": os.getpid(), "generation": 1, "responds": True}]
        return Status(ready=True, document={"generation": 1, "degraded": [], "workers": workers, "models": models})

    return ServiceState(status, meter.numbers, meter, is_whole=False)
