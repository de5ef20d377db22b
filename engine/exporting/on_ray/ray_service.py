"""KubeRay's RayService: a head, which only organizes, and workers, which answer and compute."""

from __future__ import annotations

from typing import Any

from engine.exporting.container import USER, container_security, probe, variable
from engine.exporting.on_ray.ray_settings import RaySettings
from engine.exporting.on_ray.serve_config import SERVE_PORT, serve_config
from engine.exporting.yaml_lines import Noted, write_document

_AGENT_PORT = 52365
_NODE_PATH, _PROXY_PATH = "/api/healthz", "/-/healthz"
_HEAD_PORTS = {"gcs-server": 6379, "dashboard": 8265, "client": 10001, "serve": SERVE_PORT}
_HEAD_SIZE = {"cpu": "1", "memory": "2Gi"}
_TMP = "/tmp"  # noqa: S108 - the container's own
_ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_SERVE_ENABLE_HA_PROXY": "1", "HOME": _TMP}
_AUTOSCALER_SECURITY = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
_WHY_SO_MANY = """\
Room for the most replicas of the service and of models with a scale, and for one more of each:
in a change, Ray starts a new replica before it stops an old one."""
# Proxies of the cluster learn that a pod ends; until then, they still send requests to it.
_UNTIL_REMOVED = 5
_GRACE = 60


def ray_service(settings: RaySettings) -> dict[str, Any]:
    """Make the RayService."""
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": {"name": settings.name},
        "spec": {
            "serveConfigV2": Noted(
                write_document(serve_config(settings)),
                "A change in here is a rolling update; any other change starts a second cluster beside this one.",
            ),
            "excludeHeadPodFromServeSvc": True,
            "rayClusterConfig": _cluster(settings),
        },
    }


def _cluster(settings: RaySettings) -> dict[str, Any]:
    least, most = settings.workers
    return {
        "rayVersion": Noted(settings.ray_version, "That of the image."),
        "enableInTreeAutoscaling": True,
        "autoscalerOptions": {"securityContext": _AUTOSCALER_SECURITY},
        "headGroupSpec": {
            "rayStartParams": Noted({"num-cpus": "0"}, "The head computes nothing."),
            "template": _template(settings, _head(settings)),
        },
        "workerGroupSpecs": [
            {
                "groupName": "workers",
                "replicas": least,
                "minReplicas": least,
                "maxReplicas": Noted(most, _WHY_SO_MANY),
                "rayStartParams": {},
                "template": _template(settings, _worker(settings), automountServiceAccountToken=False),
            }
        ],
    }


def _template(settings: RaySettings, container: dict[str, Any], **own: bool) -> dict[str, Any]:
    """Make the template of pods; the head keeps its token of Kubernetes, by which the autoscaler beside it asks."""
    spec = {
        **own,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _GRACE,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": settings.labels},
            }
        ],
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "8Gi"}}],
    }
    return {"metadata": {"labels": settings.labels}, "spec": spec}


def _head(settings: RaySettings) -> dict[str, Any]:
    ports = [{"name": name, "containerPort": number} for name, number in _HEAD_PORTS.items()]
    ready = probe(_NODE_PATH, _AGENT_PORT, 5, 3)
    return _container(settings, "ray-head", ports, ready, {"requests": dict(_HEAD_SIZE), "limits": dict(_HEAD_SIZE)})


def _worker(settings: RaySettings) -> dict[str, Any]:
    """Make the container of a worker, which gets requests while its proxy is well: where a replica is."""
    size = {"cpu": settings.cpus, "memory": settings.memory}
    sizes = {"requests": dict(size), "limits": Noted(size, "Ray places replicas by the CPUs of this limit.")}
    ports = [{"name": "serve", "containerPort": SERVE_PORT}]
    made = _container(settings, "ray-worker", ports, probe(_PROXY_PATH, SERVE_PORT, 5, 1), sizes)
    return {**made, "lifecycle": {"preStop": {"exec": {"command": ["sleep", str(_UNTIL_REMOVED)]}}}}


def _container(
    settings: RaySettings, name: str, ports: list[dict[str, Any]], ready: dict[str, Any], sizes: dict[str, Any]
) -> dict[str, Any]:
    """Make a container; KubeRay adds the command, and probes that need wget where there are none."""
    own = {one.name for one in settings.variables}
    return {
        "name": name,
        "image": settings.image,
        "env": [
            *({"name": name, "value": value} for name, value in _ENVIRONMENT.items() if name not in own),
            *(variable(settings.secret, one.name, one.is_required) for one in settings.variables),
        ],
        "ports": ports,
        "startupProbe": probe(_NODE_PATH, _AGENT_PORT, 2, 150),
        "livenessProbe": probe(_NODE_PATH, _AGENT_PORT, 10, 12),
        "readinessProbe": ready,
        "resources": sizes,
        "securityContext": container_security(),
        "volumeMounts": [{"name": "tmp", "mountPath": _TMP}],
    }
