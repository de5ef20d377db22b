"""The spans of this process, if the variables ask for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from engine.tracing.settings import read_trace_settings

if TYPE_CHECKING:
    from engine.tracing.spans import Spans


def open_spans(
    environ: Mapping[str, str], service: str, scheme: str, count: Callable[[str, int], None]
) -> Spans | None:
    """Open the spans of a service that is asked by a scheme; None, and nothing imported, where traces are off.

    `count` is called with what became of so many spans. A process calls this after it has started, never before a fork.
    """
    settings = read_trace_settings(environ)
    if settings is None or not settings.is_on:
        return None
    from engine.tracing.spans import Spans  # noqa: PLC0415 - imports OpenTelemetry

    return Spans(settings, service, scheme, count)
