"""build: Endpoints → the Flask app. The only folder that imports Flask."""

from engine.web.app import Service, build_app, create_app
from engine.web.body import ERROR
from engine.web.guarding import ADMISSION
from engine.web.identity import names_of, request_id, trace_id
from engine.web.lane import Answer, Lane

__all__ = [
    "ADMISSION",
    "ERROR",
    "Answer",
    "Lane",
    "Service",
    "build_app",
    "create_app",
    "names_of",
    "request_id",
    "trace_id",
]
