"""The service on one machine, for `docker compose` and `podman compose`."""

from __future__ import annotations

from typing import Any

from engine.exporting.container import USER
from engine.exporting.settings import PORT, Settings
from engine.exporting.yaml_lines import Noted, write_document


def compose_file(settings: Settings) -> str:
    """Return the text of compose.yaml; the service is reached at this machine's port 8080."""
    made: dict[str, Any] = {
        "image": settings.image,
        "command": [_without_variables(word) for word in settings.command],
        "ports": Noted([f"127.0.0.1:{PORT}:{PORT}"], "Remove 127.0.0.1 to let other machines in."),
    }
    if settings.variables:
        made["environment"] = Noted(
            {one.name: None for one in settings.variables},
            "Values come from the environment of the command, or from the file .env beside this one.",
        )
    return write_document({"name": settings.name, "services": {"service": {**made, **_restrictions(settings)}}})


def _restrictions(settings: Settings) -> dict[str, Any]:
    asked = f"import urllib.request as r; r.urlopen('http://127.0.0.1:{PORT}{settings.paths['live']}')"
    return {
        "user": f"{USER}:{USER}",
        "read_only": True,
        "tmpfs": ["/tmp"],  # noqa: S108 - the container's own
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "healthcheck": {
            "test": ["CMD", "python", "-c", _without_variables(asked)],
            "interval": "30s",
            "timeout": "5s",
            "start_period": "60s",
        },
        "restart": "unless-stopped",
        "stop_grace_period": "30s",
        "deploy": {"resources": {"limits": {"cpus": settings.cpus, "memory": _bytes(settings.memory)}}},
    }


def _bytes(memory: str) -> str:
    """Write 512Mi as Compose does, whose m is 1,048,576 bytes."""
    return memory.removesuffix("i").lower()


def _without_variables(text: str) -> str:
    return text.replace("$", "$$")
