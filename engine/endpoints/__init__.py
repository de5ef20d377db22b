"""build: Spec + Predictors → Endpoints, each a plain `Request` → `Response`. No Flask, no YAML."""

from engine.endpoints.build import Mounted, build_endpoints
from engine.endpoints.health import Status, StatusSource, show_models
from engine.endpoints.messages import Endpoint, Request, Response
from engine.endpoints.openapi import describe
from engine.endpoints.problems import Problem

__all__ = [
    "Endpoint",
    "Mounted",
    "Problem",
    "Request",
    "Response",
    "Status",
    "StatusSource",
    "build_endpoints",
    "describe",
    "show_models",
]
