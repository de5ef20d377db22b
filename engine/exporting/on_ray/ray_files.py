"""The files of an export for Ray: Serve's configuration, KubeRay's service of the same, and who may reach its pods."""

from __future__ import annotations

from typing import Any

from engine.exporting.on_ray.ray_service import ray_service
from engine.exporting.on_ray.ray_settings import RaySettings
from engine.exporting.on_ray.serve_config import SERVE_PORT, write_serve_config
from engine.exporting.yaml_lines import Noted, write_document

KNOWN_FILES = ("serve.yaml", "ray-service.yaml", "network-policy.yaml")

OPERATOR = {"app.kubernetes.io/component": "kuberay-operator"}


def ray_files(settings: RaySettings) -> dict[str, str]:
    """Return the text of each file, by name."""
    texts = (write_serve_config(settings), write_document(ray_service(settings)), write_document(_policy(settings)))
    return dict(zip(KNOWN_FILES, texts, strict=True))


def _policy(settings: RaySettings) -> dict[str, Any]:
    """Make the NetworkPolicy: whoever reaches Ray's other ports can run any code there."""
    own = {"podSelector": {"matchLabels": settings.labels}}
    operator = {"namespaceSelector": {}, "podSelector": {"matchLabels": OPERATOR}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": settings.name},
        "spec": {
            "podSelector": {"matchLabels": settings.labels},
            "policyTypes": ["Ingress"],
            "ingress": Noted(
                [{"ports": [{"protocol": "TCP", "port": SERVE_PORT}]}, {"from": [own, operator]}],
                "Clients reach the service; only its own pods and KubeRay reach the ports of Ray, which runs any code.",
            ),
        },
    }
