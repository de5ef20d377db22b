"""The configuration of Ray Serve: one application, which `engine.ray:build` makes of its arguments."""

from __future__ import annotations

from typing import Any

from engine.exporting.on_ray.ray_settings import RaySettings
from engine.exporting.yaml_lines import Noted, write_document

IMPORT_PATH = "engine.ray:build"
SERVE_PORT = 8000


def serve_config(settings: RaySettings) -> dict[str, Any]:
    """Make the configuration, as `serve deploy` and KubeRay read it."""
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": "0.0.0.0", "port": SERVE_PORT},  # noqa: S104 - in a container
        "applications": [
            {
                "name": settings.name,
                "route_prefix": settings.prefix,
                "import_path": IMPORT_PATH,
                "args": dict(settings.arguments),
            }
        ],
    }


def write_serve_config(settings: RaySettings) -> str:
    """Write it as a file; a comment names the variables that all nodes need, and no value of any."""
    made = serve_config(settings)
    if settings.variables:
        made["applications"] = Noted(made["applications"], _asks(settings))
    return write_document(made)


def _asks(settings: RaySettings) -> str:
    """Say which variables of the environment must be set where Ray runs."""
    names = [one.name for one in settings.variables if one.is_required]
    others = [one.name for one in settings.variables if not one.is_required]
    said = [f"Set on every node before Ray starts: {', '.join(names)}."] * bool(names)
    said += [f"The spec has defaults for: {', '.join(others)}."] * bool(others)
    return "\n".join(said)
