"""A replica: a process of Ray Serve's that answers requests with the newest generation that it was given."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from ray.serve._private.constants import RAY_SERVE_ENABLE_HA_PROXY
from ray.serve.handle import DeploymentHandle

from engine.collecting import pause_collector
from engine.endpoints import Meter, ServiceState, show_models
from engine.handling import Handler, build_handler
from engine.models import Predictor, Snapshot, own_predictors, rehearse_models, restore_models
from engine.ray.asking import Asker
from engine.ray.cluster import begin_replica
from engine.ray.door import Door
from engine.ray.remote_models import SPANS_SECONDS, RemoteRuntime
from engine.ray.reporting import Progress, Reporter
from engine.ray.snapshots import Stored, read_snapshot
from engine.tracing import open_spans

logger = logging.getLogger("engine")

THREADS = 64


class Service:
    """Answers the requests of an application, as a worker of `engine serve` does.

    Ray Serve calls `reconfigure` with what names the snapshot: before the first request, and for each update. Requests
    are answered meanwhile, by the handler that is there.
    """

    def __init__(self, name: str, register: DeploymentHandle, models: Mapping[str, DeploymentHandle]) -> None:
        self._name = name
        self._models = models
        self._predictors: Mapping[tuple[str, str], Predictor] = {}
        self._door = Door(THREADS, knows_clients=not RAY_SERVE_ENABLE_HA_PROXY)
        self._meter = Meter(self._door.in_flight)
        self._asker = Asker(asyncio.get_running_loop())
        self._reporter = Reporter(register, self._meter, self._asker)
        self._process = ServiceState(self._reporter.status, self._reporter.numbers, self._meter)
        begin_replica()

    def __serve_build_asgi_app__(self) -> Door:
        """Return what Ray Serve's own server calls with each request."""
        return self._door

    def __del__(self) -> None:
        """Send the spans that wait, as Ray Serve ends the replica."""
        if self._process.spans is not None:
            self._process.spans.close(SPANS_SECONDS)

    async def reconfigure(self, config: Mapping[str, Any]) -> None:
        """Take a generation; where that fails, keep the one that is served, if there is one."""
        stored = Stored(**config)
        served = self._reporter.progress.generation
        try:
            await asyncio.to_thread(self._take, stored)
        except Exception as error:
            if not served:
                raise
            logger.exception("generation %d cannot be served by this replica", stored.generation)
            failed = f"generation {stored.generation}: {type(error).__name__}: {error}"
            self._reporter.progress = replace(self._reporter.progress, failed=failed)
        if not served:
            await asyncio.to_thread(self._reporter.start)

    def _take(self, stored: Stored) -> None:
        """Build the handler of a generation beside the one that serves, and put it in its place."""
        with pause_collector():
            snapshot = Snapshot.load(read_snapshot(self._name, stored))
            handler, predictors = self._build(snapshot, stored)
            self._door.serve(handler)
        own = own_predictors(predictors)
        self._predictors = {(name, snapshot.prepared[name].key): predictor for name, predictor in own.items()}
        models = show_models(one.facts for one in predictors.values())
        self._reporter.progress = Progress(stored.generation, models)
        self._meter.keep({one.route.path for one in handler.mounted})
        gc.collect()

    def _build(self, snapshot: Snapshot, stored: Stored) -> tuple[Handler, Mapping[str, Predictor]]:
        spec, prepared = snapshot.spec, snapshot.prepared
        if not self._reporter.progress.generation:
            spans = open_spans(os.environ, spec.service.title, "http", partial(self._meter.count, "spans"))
            self._process = replace(self._process, spans=spans)
        files = [(model, self._models.get(name)) for name, one in spec.models.items() if (model := one.file_model)]
        remote = {
            model.name: RemoteRuntime(
                model, handle, (stored, prepared[model.name].key), self._asker, self._process.spans
            )
            for model, handle in files
            if handle is not None
        }
        predictors = restore_models(spec, prepared, self._predictors, remote=remote)
        here = {name: predictor for name, predictor in predictors.items() if not predictor.facts.is_remote}
        rehearse_models(spec, here, self._predictors.values())
        for facts in (predictor.facts for predictor in predictors.values()):
            if facts.report.instead:
                logger.warning("%s: %s", facts.name, facts.report.instead)
        process = replace(self._process, counters=partial(self._reporter.open_counter, stored.generation))
        return build_handler(spec, predictors, process), predictors
