"""What routes are called, in the OpenAPI document and on the docs page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.spec import BUILT_IN, BuiltIn, Route, WireAction

ENGINE_TAG = "Built in"
UNTAGGED = "Endpoints"
_WIRE_ACTIONS: Mapping[WireAction, str] = {
    "alive": "Answer that the service runs",
    "infer": "Predict with the model {model}",
    "list": "List the models",
    "live": "Answer the liveness check",
    "model": "Describe a model",
    "model-ready": "Answer whether a model is ready",
    "ready": "Answer the readiness check",
    "service": "Describe the service",
    "version": "Name the version of the protocol",
}


def summary_of(route: Route) -> str:
    """Summarize a route in a few words."""
    if route.summary:
        return route.summary
    if route.built_in is not None:
        does = BUILT_IN[route.built_in][1]
        return does[0].upper() + does[1:]
    if route.wire is not None:
        return f"{_WIRE_ACTIONS[route.wire.action]} ({', '.join(route.wire.protocols)})".replace(
            "{model}", route.model or ""
        )
    return f"Predict with the model {route.model}" if route.model is not None else route.path


def tags_of(route: Route) -> tuple[str, ...]:
    """Return the sections that show a route, at least one."""
    if route.wire is not None:
        return tuple(f"Protocol {name}" for name in route.wire.protocols)
    return route.tags or (UNTAGGED if route.built_in is None else ENGINE_TAG,)


def without_features(instance: Any, route: Route) -> Any:
    """Return an instance without the features in a route's path."""
    if not isinstance(instance, Mapping) or not route.parameters:
        return instance
    return {name: value for name, value in instance.items() if name not in route.parameters}


def built_in_answers(name: BuiltIn) -> dict[str, Any]:
    """Describe what one of the engine's own routes answers."""
    media_types = {"docs": "text/html", "metrics": "text/plain"}
    content: dict[str, Any] = {media_types.get(name, "application/json"): {}}
    answers: dict[str, Any] = {"200": {"description": f"It {BUILT_IN[name][1]}.", "content": content}}
    if name in ("docs", "openapi"):
        answers["304"] = {"description": "The client has the current version."}
    return answers
