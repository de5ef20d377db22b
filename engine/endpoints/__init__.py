"""build: Spec + Predictors → Endpoints, each a plain `Request` → `Response`. No Flask, no YAML."""

from engine.endpoints.build import Mounted, build_endpoints
from engine.endpoints.guards import Admission, Guard, Guards, client_address
from engine.endpoints.health import show_models
from engine.endpoints.messages import Endpoint, Request, Response
from engine.endpoints.metrics import NO_ROUTE, RESTARTS, Meter, Numbers
from engine.endpoints.openapi import describe
from engine.endpoints.problems import Problem
from engine.endpoints.process import Process, Status

__all__ = [
    "NO_ROUTE",
    "RESTARTS",
    "Admission",
    "Endpoint",
    "Guard",
    "Guards",
    "Meter",
    "Mounted",
    "Numbers",
    "Problem",
    "Process",
    "Request",
    "Response",
    "Status",
    "build_endpoints",
    "client_address",
    "describe",
    "show_models",
]
