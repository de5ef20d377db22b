"""The process in which endpoints answer, from their point of view."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.endpoints.monitoring.metrics import Counts, Meter


@dataclass(frozen=True, slots=True)
class Status:
    """The state of a service: whether it accepts new requests, and the document that `/-/status` shows."""

    ready: bool
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ServiceState:
    """The process that answers: the state and the metrics of the service, and this process's own counters.

    Unless `is_whole`, the process knows only itself, though the server may run several.
    """

    status: Callable[[], Status]
    numbers: Callable[[], Counts]
    meter: Meter
    is_whole: bool = True
