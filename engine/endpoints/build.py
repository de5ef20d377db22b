"""Spec + Predictors → the endpoints, each with the route it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.endpoints.fixed import build_fixed
from engine.endpoints.messages import Endpoint
from engine.endpoints.predict import PredictEndpoint
from engine.errors import Diagnostic, SpecError
from engine.models import Predictor
from engine.spec import Route, Spec


@dataclass(frozen=True, slots=True)
class Mounted:
    """An endpoint at its route."""

    route: Route
    endpoint: Endpoint


def build_endpoints(spec: Spec, predictors: Mapping[str, Predictor]) -> tuple[Mounted, ...]:
    """Make every route's endpoint; raise `SpecError` with each file that can no longer be read."""
    mounted: list[Mounted] = []
    found: list[Diagnostic] = []
    for route in spec.routes:
        try:
            mounted.append(Mounted(route, _endpoint(route, spec, predictors)))
        except SpecError as error:
            found += error.diagnostics
    if found:
        raise SpecError(found)
    return tuple(mounted)


def _endpoint(route: Route, spec: Spec, predictors: Mapping[str, Predictor]) -> Endpoint:
    if route.response is not None:
        return build_fixed(route, route.response, spec.folder)
    name = route.model or ""
    return PredictEndpoint(route, spec.models[name], predictors[name])
