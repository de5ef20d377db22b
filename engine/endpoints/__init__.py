"""build: Spec + Predictors → Endpoints, each a plain `Request` → `Response`. No Flask, no YAML."""

from engine.endpoints.answering.counters import FORGOTTEN, Counter, SharedCounts
from engine.endpoints.guards.client import client_address, direct_client
from engine.endpoints.guards.guard import Admission, Guard, Guards
from engine.endpoints.messages import Endpoint, Failing, Headers, Request, Response, Sending
from engine.endpoints.monitoring.health import ServiceState, Status, show_models
from engine.endpoints.monitoring.metrics import NO_ROUTE, RESTARTS, Counts, Meter
from engine.endpoints.mounting import Mounted, build_endpoints
from engine.endpoints.openapi.document import describe_spec
from engine.endpoints.problems import Problem
