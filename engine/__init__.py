"""Two YAML files in, a validated HTTP service out."""

from engine import telemetry as telemetry  # first, so that onnxruntime finds its telemetry turned off
from engine.errors import EngineError, SpecError
from engine.flask_app import create_app
from engine.models import lock_models

__all__ = ["EngineError", "SpecError", "create_app", "lock_models"]
