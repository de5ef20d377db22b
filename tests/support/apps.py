"""Flask apps of specs that are loaded, with models of a test's own."""

from __future__ import annotations

from collections.abc import Mapping

from engine.endpoints import ServiceState
from engine.flask_app import App
from engine.handling import build_handler
from engine.models import Predictor, compile_models
from engine.spec import Spec


def build_app(
    spec: Spec, predictors: Mapping[str, Predictor] | None = None, process: ServiceState | None = None
) -> App:
    """Make the app of a spec; its models are compiled unless their predictors are given."""
    return App(build_handler(spec, compile_models(spec) if predictors is None else predictors, process))
