"""A model in a deployment of its own: what asks it in the replicas that take requests, and what answers there."""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

from ray.exceptions import RayActorError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle

from engine.collecting import pause_collector
from engine.errors import Overloaded
from engine.models import Snapshot, own_predictors, rehearse_models, restore_models
from engine.models.data.rows import count_rows
from engine.models.predictor import ModelPredictor
from engine.models.runtime.answer import Answer, Refusal, Runtime
from engine.ray.asking import Asker
from engine.ray.cluster import begin_replica
from engine.ray.snapshots import Stored, read_snapshot
from engine.spec import FileModel
from engine.tracing import open_spans

if TYPE_CHECKING:
    from engine.tracing.spans import Spans

# How long a request waits beyond the model's own timeout: with `min: 0`, the first replica has to start meanwhile.
START_SECONDS = 30.0
# How long the end of a replica waits for its last spans to be sent.
SPANS_SECONDS = 2.0
# Replicas that take requests may still serve the generation before.
_KEPT = 2


class RemoteRuntime:
    """A runtime that asks a model's own deployment; it waits for the answer, in a thread that may."""

    def __init__(
        self, model: FileModel, handle: DeploymentHandle, found: tuple[Stored, str], asker: Asker, spans: Spans | None
    ) -> None:
        self._name = model.name
        self._seconds = model.timeout + START_SECONDS
        self._asker = asker
        self._handle = handle
        self._stored, self._key = asdict(found[0]), found[1]
        self._spans = spans

    def __call__(self, rows: Any) -> Answer:
        """Answer; raise `Refusal`, or `Overloaded` where no replica can."""
        trace = {} if self._spans is None else self._spans.passed_on()
        asked = (self._stored, self._key, rows, trace)
        try:
            answer: Answer | Exception = self._asker.ask(self._handle, "answer", *asked, seconds=self._seconds)
        except BackPressureError:
            message = f"too many requests wait for the model {self._name}"
            raise Overloaded(message) from None
        except TimeoutError:
            message = f"the model {self._name} did not answer within {self._seconds:g} s"
            raise Overloaded(message) from None
        except (RayActorError, DeploymentUnavailableError):
            message = f"the replica of the model {self._name} that was asked has ended"
            raise Overloaded(message) from None
        if isinstance(answer, Exception):
            raise answer
        return answer


class RemoteModel:
    """Computes one model for the replicas that take requests, in calls that these share as the spec says."""

    def __init__(self, application: str, name: str, threads: int) -> None:
        self._application, self._name = application, name
        self._runtimes: OrderedDict[str, Runtime] = OrderedDict()
        self._loading = asyncio.Lock()
        self._spans: Spans | None = None
        self._threads = ThreadPoolExecutor(threads, "model")
        begin_replica()

    def __del__(self) -> None:
        """Send the spans that wait, as Ray Serve ends the replica."""
        if self._spans is not None:
            self._spans.close(SPANS_SECONDS)

    async def reconfigure(self, config: Mapping[str, Any]) -> None:
        """Load a generation, and keep the one before it, which other replicas may still serve."""
        await self._load(Stored(**config), None)

    async def answer(
        self, stored: Mapping[str, Any], key: str, rows: Any, trace: Mapping[str, str]
    ) -> Answer | Exception:
        """Answer for the model with a key, which is in a snapshot; return the exception that says why it does not."""
        runtime = self._runtimes.get(key)
        if runtime is None:
            runtime = await self._load(Stored(**stored), key)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._compute, runtime, rows, trace)
        except (Refusal, Overloaded) as error:
            return error

    def _compute(self, runtime: Runtime, rows: Any, trace: Mapping[str, str]) -> Answer:
        if self._spans is None:
            return runtime(rows)
        with self._spans.computing(self._name, trace, {"engine.model.rows": count_rows(rows)}):
            return runtime(rows)

    async def _load(self, stored: Stored, key: str | None) -> Runtime:
        """Load the model of a snapshot, unless another request has done so meanwhile."""
        async with self._loading:
            if key is not None and key in self._runtimes:
                return self._runtimes[key]
            found, runtime = await asyncio.to_thread(self._restore, stored)
            self._runtimes[found] = runtime
            self._runtimes.move_to_end(found)
            while len(self._runtimes) > _KEPT:
                self._runtimes.popitem(last=False)
        return runtime

    def _restore(self, stored: Stored) -> tuple[str, Runtime]:
        with pause_collector():
            snapshot = Snapshot.load(read_snapshot(self._application, stored))
        if not self._runtimes:
            self._spans = open_spans(os.environ, snapshot.spec.service.title, "http", lambda *_: None)
        key = snapshot.prepared[self._name].key
        if key in self._runtimes:  # the update does not concern this model
            return key, self._runtimes[key]
        spec = snapshot.spec.only([self._name])
        predictors = restore_models(spec, snapshot.prepared)
        rehearse_models(spec, predictors)
        own = cast("ModelPredictor", own_predictors(predictors)[self._name])
        return key, own.runtime
