"""build: Endpoints → the Flask app. The only folder that imports Flask."""

from engine.web.app import Service, build_app, create_app
from engine.web.lane import Lane

__all__ = ["Lane", "Service", "build_app", "create_app"]
