"""Traces by OpenTelemetry: what the OTEL_* variables say, and spans. Nothing of OpenTelemetry is imported here."""

from engine.tracing.opening import open_spans
from engine.tracing.settings import TraceSettings, read_trace_settings
