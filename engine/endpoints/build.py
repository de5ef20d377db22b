"""Spec + Predictors → the endpoints, each with the route it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.endpoints.fixed import build_fixed
from engine.endpoints.generated import GeneratedEndpoint
from engine.endpoints.health import StatusSource, build_health
from engine.endpoints.messages import Endpoint, encode_json
from engine.endpoints.openapi import describe
from engine.endpoints.predict import PredictEndpoint
from engine.models import Predictor
from engine.spec import Route, Spec


@dataclass(frozen=True, slots=True)
class Mounted:
    """An endpoint at its route."""

    route: Route
    endpoint: Endpoint


def build_endpoints(spec: Spec, predictors: Mapping[str, Predictor], status: StatusSource) -> tuple[Mounted, ...]:
    """Make every route's endpoint; `status` is asked how the service is."""
    return tuple(Mounted(route, _endpoint(route, spec, predictors, status)) for route in (*spec.routes, *spec.built_in))


def _endpoint(route: Route, spec: Spec, predictors: Mapping[str, Predictor], status: StatusSource) -> Endpoint:
    if route.built_in == "openapi":
        facts = {name: predictor.facts for name, predictor in predictors.items()}
        return GeneratedEndpoint("application/json", lambda: encode_json(describe(spec, facts)))
    if route.built_in is not None:
        return build_health(route.built_in, status)
    if route.response is not None:
        return build_fixed(route, route.response)
    name = route.model or ""
    return PredictEndpoint(route, spec.models[name], predictors[name])
