"""Who may connect to the pods, and where they may connect to."""

from __future__ import annotations

from typing import Any

from engine.exporting.settings import ADMIN_PORT, PORT, Settings
from engine.exporting.yaml_lines import Noted

MONITORING = {"kubernetes.io/metadata.name": "monitoring"}


def network_policy(settings: Settings) -> dict[str, Any]:
    """Make the NetworkPolicy: clients reach the service, Prometheus the metrics, and pods nothing but Redis."""
    monitoring = {"from": [{"namespaceSelector": {"matchLabels": MONITORING}}], "ports": [_port(ADMIN_PORT)]}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": settings.metadata(),
        "spec": {
            "podSelector": {"matchLabels": settings.labels},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": Noted([{"ports": [_port(PORT)]}, monitoring], "Clients, and the namespace of Prometheus."),
            "egress": _egress(settings),
        },
    }


def _egress(settings: Settings) -> Any:
    if settings.redis_port is None:
        return Noted([], "The engine connects to nothing.")
    names = {"ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]}
    return Noted([names, {"ports": [_port(settings.redis_port)]}], "Names, and the Redis server of the rate limits.")


def _port(number: int) -> dict[str, Any]:
    return {"protocol": "TCP", "port": number}
