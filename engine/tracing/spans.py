"""The spans of a process: one for each request, with children. Only a process that traces imports this module."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from uuid import uuid4

from opentelemetry import context as contexts
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, format_trace_id, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from engine.errors import RefusedInstance
from engine.installed import engine_version
from engine.tracing.exporting import BoundedProcessor, Count, open_exporter
from engine.tracing.settings import TraceSettings

Attributes = Mapping[str, str | int]
_PARENTS = TraceContextTextMapPropagator()
_JUDGING = contexts.create_key("engine-judging")


class Judging:
    """When the endpoint of a request began to read and judge it, and whether it still does.

    It has children only if its own span `is_recorded`.
    """

    __slots__ = ("began", "is_over", "is_recorded")

    def __init__(self, *, is_recorded: bool) -> None:
        self.began = time.time_ns()
        self.is_recorded = is_recorded
        self.is_over = not is_recorded


class Spans:
    """Makes the spans of requests by a `scheme`, and sends them; `service` is the name where no variable has one."""

    def __init__(
        self,
        settings: TraceSettings,
        service: str,
        scheme: str,
        count: Count,
        exporter: SpanExporter | None = None,
    ) -> None:
        self.scheme = scheme
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # we count what is lost, and say so in one line
        self._takes_parents = settings.takes_parents
        named: dict[str, str | int] = {"service.instance.id": str(uuid4()), "process.pid": os.getpid()}
        resource = Resource.create({**named})
        if str(resource.attributes["service.name"]).startswith("unknown_service"):
            resource = resource.merge(Resource({"service.name": service}))
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BoundedProcessor(exporter or open_exporter(settings), settings, count))
        self._closing = threading.Thread(target=self._provider.shutdown, name="spans", daemon=True)
        self._tracer = self._provider.get_tracer("endpoint-engine", engine_version())

    def start(self, name: str, sent: Mapping[str, str], seconds: float) -> tuple[Span, str]:
        """Start the span of a request that arrived so many `seconds` ago; its parent is in the headers that were sent.

        It has no other parent: a server's thread may run in any context. Returns the id of its trace too.
        """
        parent = _PARENTS.extract(sent, contexts.Context()) if self._takes_parents else contexts.Context()
        began = time.time_ns() - int(seconds * 1e9)
        span = self._tracer.start_span(name, parent, SpanKind.SERVER, start_time=began)
        return span, format_trace_id(span.get_span_context().trace_id)

    def end(self, span: Span, status: int | None, failure: str) -> None:
        """End the span of a request, with the status that was sent, if one was, and what has failed, if anything."""
        if status is not None:
            span.set_attribute("http.response.status_code", int(status))
        if failure:
            fail(span, failure)
        span.end()

    @contextmanager
    def judging(self, span: Span) -> Iterator[Judging]:
        """Make a request's span the parent of all others, from the beginning of its endpoint to the end."""
        judging = Judging(is_recorded=span.is_recording())
        token = contexts.attach(contexts.set_value(_JUDGING, judging, set_span_in_context(span, contexts.Context())))
        try:
            yield judging
        finally:
            contexts.detach(token)

    def end_judging(self, error: str = "") -> None:
        """End the judging of the request in hand, unless it has ended; `error` says what it was refused for."""
        judging = contexts.get_value(_JUDGING)
        if not isinstance(judging, Judging) or judging.is_over:
            return
        judging.is_over = True
        span = self._tracer.start_span("validate", start_time=judging.began)
        if error:
            span.set_attribute("error.type", error)
        span.end()

    @contextmanager
    def predicting(self, model: str, attributes: Attributes) -> Iterator[None]:
        """Be the time in which a model predicts for the request in hand, whose judging has ended."""
        judging = contexts.get_value(_JUDGING)
        if not isinstance(judging, Judging) or not judging.is_recorded:
            yield
            return
        self.end_judging()
        span = self._tracer.start_span(f"predict {model}", attributes=attributes)
        token = contexts.attach(set_span_in_context(span))  # another process may go on with it
        try:
            yield
        except RefusedInstance:
            span.set_attribute("error.type", "RefusedInstance")  # the client's mistake, and not the model's
            raise
        except Exception as error:
            fail(span, type(error).__qualname__)
            raise
        finally:
            contexts.detach(token)
            span.end()

    def passed_on(self) -> Mapping[str, str]:
        """Return the headers by which another process continues the trace of the request in hand."""
        headers: dict[str, str] = {}
        _PARENTS.inject(headers)
        return headers

    @contextmanager
    def computing(self, model: str, sent: Mapping[str, str], attributes: Attributes) -> Iterator[None]:
        """Be the time in which this process computes for another one, which has sent these headers."""
        parent = _PARENTS.extract(sent, contexts.Context())
        span = self._tracer.start_span(f"compute {model}", parent, SpanKind.SERVER, attributes)
        try:
            yield
        except Exception as error:
            fail(span, type(error).__qualname__)
            raise
        finally:
            span.end()

    def close(self, seconds: float) -> None:
        """Send what waits, but for no longer than some seconds."""
        if not self._closing.is_alive():
            with suppress(RuntimeError):  # it has ended already
                self._closing.start()
        self._closing.join(seconds)


def fail(span: Span, reason: str) -> None:
    """Mark a span as failed."""
    span.set_attribute("error.type", reason)
    span.set_status(Status(StatusCode.ERROR))
