"""Spec + Predictors → the handler of a service."""

from __future__ import annotations

import os
from collections.abc import Mapping

from engine.endpoints import Guards, Meter, Process, Status, build_endpoints, show_models
from engine.handling.handler import Handler
from engine.handling.incoming import Place
from engine.models import Predictor
from engine.spec import Spec


def build_handler(spec: Spec, predictors: Mapping[str, Predictor], process: Process | None = None) -> Handler:
    """Make the handler of a loaded spec with its models.

    `process` knows the state of the service; without it, the handler reports on its own process.
    """
    process = process or _alone(predictors)
    mounted = build_endpoints(spec, predictors, process)
    guards = Guards(spec.service, [one.route for one in mounted], process.meter)
    places = tuple(Place(one.route, one.endpoint, guard) for one, guard in zip(mounted, guards.routes, strict=True))
    return Handler(spec, places, guards, process.meter)


def _alone(predictors: Mapping[str, Predictor]) -> Process:
    """Report on this process as the whole service."""
    meter = Meter()

    def status() -> Status:
        models = show_models(predictor.facts for predictor in predictors.values())
        workers = [{"number": 1, "pid": os.getpid(), "generation": 1, "responds": True}]
        return Status(ready=True, document={"generation": 1, "degraded": [], "workers": workers, "models": models})

    return Process(status, meter.numbers, meter, is_whole=False)
