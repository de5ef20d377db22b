"""The pods of a service: Deployment, Service, autoscaler, disruption budget, and the ConfigMap that they mount."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from engine.exporting.container import container, container_security, mounts, probe, resources
from engine.exporting.settings import ADMIN_PORT, PORT, Settings
from engine.exporting.spec_files import key_of
from engine.exporting.yaml_lines import Noted

# Endpoints are removed while a container stops; until the last proxy knows, it still gets new connections.
_UNTIL_REMOVED = 5
_GRACE = 30


def deployment(settings: Settings) -> dict[str, Any]:
    """Make the Deployment; how many pods there are is up to the autoscaler."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": settings.metadata(),
        "spec": {
            "selector": {"matchLabels": settings.labels},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {"metadata": {"labels": settings.labels}, "spec": _pod(settings)},
        },
    }


def _pod(settings: Settings) -> dict[str, Any]:
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _GRACE,
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": settings.labels},
            }
        ],
        "containers": [_service_container(settings)],
        "volumes": volumes(settings),
    }


def _service_container(settings: Settings) -> dict[str, Any]:
    return {
        **container(settings),
        "ports": [{"name": "http", "containerPort": PORT}, {"name": "admin", "containerPort": ADMIN_PORT}],
        "startupProbe": probe(settings.paths["live"], "admin", 2, 150),
        "livenessProbe": probe(settings.paths["live"], "admin", 10, 3),
        "readinessProbe": probe(settings.paths["ready"], "http", 5, 2),
        "lifecycle": Noted(
            {"preStop": {"exec": {"command": ["sleep", str(_UNTIL_REMOVED)]}}},
            "Until no proxy sends new connections here. Then SIGTERM: requests in flight are answered.",
        ),
        "resources": resources(settings),
        "securityContext": container_security(),
        "volumeMounts": mounts(settings),
    }


def volumes(settings: Settings) -> list[dict[str, Any]]:
    """Return the volumes of the pod."""
    made: list[dict[str, Any]] = [{"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}}]
    if settings.config:
        names = enumerate(settings.config)
        items = [{"key": key_of(number, name), "path": settings.literal(name)} for number, name in names]
        made.append({"name": "spec", "configMap": {"name": config_name(settings), "items": items}})
    return made


def config_name(settings: Settings) -> str:
    """Return a name that changes with the contents, so that a changed spec is a rolling update."""
    digest = hashlib.sha256(repr(sorted(settings.config.items())).encode())
    return f"{settings.name}-spec-{digest.hexdigest()[:10]}"


def config_map(settings: Settings) -> dict[str, Any]:
    """Make the ConfigMap of the spec's files."""
    texts: dict[str, str] = {}
    binary: dict[str, str] = {}
    for number, (name, data) in enumerate(settings.config.items()):
        try:
            texts[key_of(number, name)] = settings.literal(data.decode())
        except UnicodeDecodeError:
            binary[key_of(number, name)] = base64.b64encode(data).decode()
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": config_name(settings), "labels": settings.labels},
        "immutable": True,
        "data": texts,
        **({"binaryData": binary} if binary else {}),
    }


def service(settings: Settings) -> dict[str, Any]:
    """Make the Service, at whose port 80 the clients in the cluster ask."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": settings.metadata(),
        "spec": {"selector": settings.labels, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
    }


def autoscaler(settings: Settings) -> dict[str, Any]:
    """Make the autoscaler, which adds pods by the use of their cores."""
    usage = {"type": "Utilization", "averageUtilization": settings.target}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": settings.metadata(),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": settings.name},
            "minReplicas": settings.least,
            "maxReplicas": settings.most,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": usage}}],
        },
    }


def disruption_budget(settings: Settings) -> dict[str, Any]:
    """Let nodes be drained one pod at a time."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": settings.metadata(),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": settings.labels}},
    }
