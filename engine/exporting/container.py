"""The container of a service: its command, its environment, its probes and everything it may not do."""

from __future__ import annotations

from typing import Any

from engine.exporting.settings import ADMIN_PORT, PORT, SPEC_FOLDER, Settings
from engine.exporting.yaml_lines import Noted

USER = 10001

START = ("python", "-m", "engine", "serve")


def serve_command(bundle: str | None, sha256: str | None, *, from_config: bool) -> tuple[str, ...]:
    """Return the command that serves what is in the image, a bundle in it, or the spec of a ConfigMap."""
    if bundle is not None:
        what = (bundle, *(("--locked", "--sha256", sha256) if sha256 is not None else ()))
    elif from_config:
        what = ("--no-reload", "-r", f"{SPEC_FOLDER}/routes.yaml")
    else:
        what = ("--locked", "--no-reload")
    return (*START, *what, "-H", "0.0.0.0", "-p", str(PORT), "--log-format", "json")  # noqa: S104 - in a container


def admin_options() -> tuple[str, ...]:
    """Return the options that put the metrics and the status at an address of their own."""
    return ("--admin", f"0.0.0.0:{ADMIN_PORT}")


def container(settings: Settings, *, name: str = "service") -> dict[str, Any]:
    """Make what every container of the service has, wherever it runs in a cluster."""
    made: dict[str, Any] = {
        "name": name,
        "image": settings.image,
        "command": [settings.literal(word) for word in settings.command],
    }
    if settings.variables:
        made["env"] = [variable(settings.secret, one.name, one.is_required) for one in settings.variables]
    return made


def resources(settings: Settings) -> dict[str, Any]:
    """Request what is the limit as well: a service whose memory was promised to others is killed first."""
    sizes = {"cpu": settings.cpus, "memory": settings.memory}
    return {"requests": dict(sizes), "limits": Noted(dict(sizes), "One worker for each core of this limit.")}


def container_security() -> dict[str, Any]:
    """Allow a container nothing."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def probe(path: str, port: str | int, period: int, failures: int) -> dict[str, Any]:
    """Ask for a path every `period` seconds; so many failures in a row count."""
    return {
        "httpGet": {"path": path, "port": port},
        "periodSeconds": period,
        "timeoutSeconds": 3,
        "failureThreshold": failures,
    }


def mounts(settings: Settings) -> list[dict[str, Any]]:
    """Mount the only folder that can be written, and the spec."""
    spec = [{"name": "spec", "mountPath": SPEC_FOLDER, "readOnly": True}] if settings.config else []
    return [{"name": "tmp", "mountPath": "/tmp"}, *spec]  # noqa: S108 - the container's own


def variable(secret: str, name: str, is_required: bool) -> dict[str, Any]:
    """Take a variable of the environment from a Secret."""
    key: dict[str, Any] = {"name": secret, "key": name}
    if not is_required:
        key["optional"] = Noted(value=True, comment="The spec has a default.")
    return {"name": name, "valueFrom": {"secretKeyRef": key}}
