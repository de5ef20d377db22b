"""build: Endpoints → the Flask app. The only folder that imports Flask."""

from engine.web.app import build_app, create_app

__all__ = ["build_app", "create_app"]
