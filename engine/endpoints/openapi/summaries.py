"""What routes are called, in the OpenAPI document and on the docs page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.spec import BUILT_IN, Route

ENGINE_TAG = "Built in"
UNTAGGED = "Endpoints"


def summary_of(route: Route) -> str:
    """Summarize a route in a few words."""
    if route.summary:
        return route.summary
    if route.built_in is not None:
        does = BUILT_IN[route.built_in][1]
        return does[0].upper() + does[1:]
    return f"Predict with the model {route.model}" if route.model is not None else route.path


def tags_of(route: Route) -> tuple[str, ...]:
    """Return the sections that show a route, at least one."""
    return route.tags or (UNTAGGED if route.built_in is None else ENGINE_TAG,)


def without_features(instance: Any, route: Route) -> Any:
    """Return an instance without the features in a route's path."""
    if not isinstance(instance, Mapping) or not route.parameters:
        return instance
    return {name: value for name, value in instance.items() if name not in route.parameters}
