"""Everything that a cluster reads: plain objects with a kustomization, those of monitoring, and a chart of the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.exporting.monitoring import admin_service, alert_rules, service_monitor
from engine.exporting.network import network_policy
from engine.exporting.settings import Settings
from engine.exporting.workload import autoscaler, config_map, deployment, disruption_budget, service
from engine.exporting.yaml_lines import Noted, Raw, write_document

_TABLE = {
    "deployment.yaml": deployment,
    "service.yaml": service,
    "autoscaler.yaml": autoscaler,
    "disruption-budget.yaml": disruption_budget,
    "network-policy.yaml": network_policy,
    "spec.yaml": config_map,
}
_MONITORING_TABLE = {
    "admin-service.yaml": admin_service,
    "service-monitor.yaml": service_monitor,
    "alerts.yaml": alert_rules,
}
_OPERATOR = "The Prometheus Operator must be installed for these."
_TEMPLATES = "chart/templates/"


def kubernetes_files(settings: Settings, version: str) -> dict[str, str]:
    """Return the text of each file, by its name in the folder of the export; `version` is that of the service."""
    plain = _texts(_TABLE, settings)
    watched = _texts(_MONITORING_TABLE, settings) if "metrics" in settings.paths else {}
    return {
        **plain,
        "kustomization.yaml": _kustomization(plain),
        **{f"monitoring/{name}": text for name, text in watched.items()},
        **({"monitoring/kustomization.yaml": _kustomization(watched, _OPERATOR)} if watched else {}),
        **_chart(settings, version),
    }


def known_files() -> tuple[str, ...]:
    """Return the names of all files that an export can have."""
    names = (*_TABLE, *_MONITORING_TABLE)
    plain = (*_TABLE, *(f"monitoring/{name}" for name in _MONITORING_TABLE))
    chart = ("chart/Chart.yaml", "chart/values.yaml", *(_TEMPLATES + name for name in names))
    return (*plain, "kustomization.yaml", "monitoring/kustomization.yaml", *chart)


def _texts(table: Mapping[str, Any], settings: Settings) -> dict[str, str]:
    needed = {name: make for name, make in table.items() if make is not config_map or settings.config}
    return {name: write_document(make(settings)) for name, make in needed.items()}


def _kustomization(names: Mapping[str, str], note: str = "") -> str:
    return write_document(
        {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": Noted(list(names), note),
        }
    )


def _chart(settings: Settings, version: str) -> dict[str, str]:
    """Return the chart: the same objects, with expressions of Helm in place of what its values set."""
    released = replace(
        settings,
        name="{{ .Release.Name }}",
        image="{{ .Values.image }}",
        least=Raw("{{ .Values.replicas.min }}"),
        most=Raw("{{ .Values.replicas.max }}"),
        target=Raw("{{ .Values.targetCpu }}"),
        cpus="{{ .Values.cpus }}",
        memory="{{ .Values.memory }}",
        paths={name: _without_actions(path) for name, path in settings.paths.items()},
        literal=_without_actions,
    )
    templates = _texts(_TABLE, released)
    if "metrics" in settings.paths:
        templates |= {name: _if_monitored(text) for name, text in _texts(_MONITORING_TABLE, released).items()}
    return {
        "chart/Chart.yaml": write_document(
            {"apiVersion": "v2", "name": settings.name, "version": "0.1.0", "appVersion": version}
        ),
        "chart/values.yaml": write_document(_values(settings)),
        **{_TEMPLATES + name: text for name, text in templates.items()},
    }


def _values(settings: Settings) -> dict[str, Any]:
    return {
        "image": settings.image,
        "replicas": {"min": settings.least, "max": settings.most},
        "cpus": Noted(settings.cpus, "Requested, and the limit: one worker for each core."),
        "memory": settings.memory,
        "targetCpu": Noted(settings.target, "In percent; pods are added above."),
        **({"monitoring": Noted(value=False, comment=_OPERATOR)} if "metrics" in settings.paths else {}),
    }


def _if_monitored(text: str) -> str:
    return f"{{{{- if .Values.monitoring }}}}\n{text}{{{{- end }}}}\n"


def _without_actions(text: str) -> str:
    """Protect a text of the user's own, in which braces mean nothing to Helm."""
    return text.replace("{{", "{{ `{{` }}")
