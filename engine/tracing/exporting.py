"""Spans on their way to a collector: a bounded queue, one thread that sends, and a count of those that are lost.

A collector that is slow, refuses or is down costs spans, and never a request.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter, SpanExportResult

from engine.tracing.settings import TraceSettings

logger = logging.getLogger("engine")

# How often lost spans are mentioned in the log.
TELL_SECONDS = 60.0

Count = Callable[[str, int], None]
"""Called with the outcome of so many spans: `exported`, `failed`, or `dropped`."""


class Waiting:
    """How many spans wait or are being sent: at most so many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0
        self._lock = threading.Lock()

    def enter(self) -> bool:
        """Take a place, and return whether there was one."""
        with self._lock:
            has_place = self._count < self._most
            self._count += has_place
        return has_place

    def leave(self, count: int) -> None:
        with self._lock:
            self._count -= count


class BoundedProcessor(BatchSpanProcessor):
    """The SDK's processor, which counts the spans for which there is no room, where the SDK's own logs each."""

    def __init__(self, exporter: SpanExporter, settings: TraceSettings, count: Count) -> None:
        self._waiting = Waiting(settings.queue)
        self._count = count
        counted = CountedExporter(exporter, settings.target, self._waiting, count)
        super().__init__(counted, settings.queue, max_export_batch_size=settings.batch)

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a finished span that is sampled, or drop it."""
        if span.context is None or not span.context.trace_flags.sampled:
            return
        if self._waiting.enter():
            super().on_end(span)
        else:
            self._count("dropped", 1)


class CountedExporter(SpanExporter):
    """Counts the spans that another exporter has sent, and those that it could not send."""

    def __init__(self, exporter: SpanExporter, target: str, waiting: Waiting, count: Count) -> None:
        self._exporter = exporter
        self._target = target
        self._waiting = waiting
        self._count = count
        self._failed = 0  # since it was last told
        self._told = -TELL_SECONDS

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans; whatever goes wrong, they are counted."""
        try:
            outcome = self._exporter.export(spans)
        except Exception:
            logger.exception("exporting spans failed")
            outcome = SpanExportResult.FAILURE
        self._waiting.leave(len(spans))
        if outcome is SpanExportResult.SUCCESS:
            self._count("exported", len(spans))
        else:
            self._count("failed", len(spans))
            self._failed += len(spans)
            self._tell()
        return outcome

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self._told >= TELL_SECONDS:
            logger.warning("%d spans were lost, because %s did not accept them", self._failed, self._target)
            self._told, self._failed = now, 0

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing is kept here."""
        return self._exporter.force_flush(timeout_millis)


def open_exporter(settings: TraceSettings) -> SpanExporter:
    """Open the exporter that the variables name; it reads its own variables itself."""
    if settings.exporter == "console":
        return ConsoleSpanExporter()
    if settings.protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as Grpc  # noqa: PLC0415

        return Grpc()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as Http  # noqa: PLC0415

    return Http()
