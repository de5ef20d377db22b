"""The service as an InferenceService of KServe, which routes and scales it, and speaks v2 with it."""

from __future__ import annotations

from typing import Any

from engine.exporting.container import container, container_security, mounts, probe, resources
from engine.exporting.settings import PORT, Settings
from engine.exporting.workload import config_map, volumes
from engine.exporting.yaml_lines import write_document


def kserve_files(settings: Settings) -> dict[str, str]:
    """Return the text of each file, by name."""
    files = {"inference-service.yaml": write_document(_inference_service(settings))}
    return {**files, **({"spec.yaml": write_document(config_map(settings))} if settings.config else {})}


def _inference_service(settings: Settings) -> dict[str, Any]:
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": settings.metadata(),
        "spec": {
            "predictor": {
                "minReplicas": settings.least,
                "maxReplicas": settings.most,
                "containers": [_container(settings)],
                "volumes": volumes(settings),
            }
        },
    }


def _container(settings: Settings) -> dict[str, Any]:
    """Make the container; with Knative, it has one port, and probes cannot name another."""
    made = container(settings, name="kserve-container")
    return {
        **made,
        "env": [{"name": "PROTOCOL", "value": "v2"}, *made.get("env", [])],
        "ports": [{"name": "http1", "containerPort": PORT, "protocol": "TCP"}],
        "startupProbe": probe(settings.paths["live"], PORT, 2, 150),
        "livenessProbe": probe(settings.paths["live"], PORT, 10, 3),
        "readinessProbe": probe(settings.paths["ready"], PORT, 5, 2),
        "resources": resources(settings),
        "securityContext": container_security(),
        "volumeMounts": mounts(settings),
    }
