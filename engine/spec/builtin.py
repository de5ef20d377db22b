"""The routes that the engine adds to every service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from engine.spec.records import Route, Service

BUILT_IN: Mapping[str, tuple[Literal["live", "ready", "status"], str]] = {
    "/livez": ("live", "tells whether the service lives"),
    "/readyz": ("ready", "tells whether the service takes requests"),
    "/-/status": ("status", "tells this machine how the service is"),
}


def built_in_routes(service: Service) -> tuple[Route, ...]:
    """Make the records of the routes that the engine adds."""
    return tuple(
        Route(node=service.node, path=path, methods=("GET",), built_in=kind, limits=service.limits)
        for path, (kind, _) in BUILT_IN.items()
    )
