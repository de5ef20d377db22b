"""Two YAML files in, a validated HTTP service out."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from engine import telemetry as telemetry  # first, so that onnxruntime finds its telemetry turned off
from engine.errors import EngineError, SpecError

if TYPE_CHECKING:
    from engine.batch.frames.row_predictor import predictor
    from engine.flask_app import create_app
    from engine.models import lock_models

__all__ = ["EngineError", "SpecError", "create_app", "lock_models", "predictor"]

_HOMES = {
    "create_app": "engine.flask_app",
    "lock_models": "engine.models",
    "predictor": "engine.batch.frames.row_predictor",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for: workers and most commands need no Flask, and `--help` needs no numpy."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List what is imported on demand too, as tools that complete names expect."""
    return [*globals(), *_HOMES]
