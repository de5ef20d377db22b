"""What the Prometheus Operator reads: a Service for the admin port, where to find the metrics, and alerts on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.exporting.settings import ADMIN_PORT, Settings


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert: `@` in its expression stands for the label of the service."""

    name: str
    expression: str
    lasting: str
    severity: str
    summary: str


ALERTS = (
    Alert(
        "ServiceErrors",
        'sum(rate(engine_requests_total{@,status=~"5.."}[5m])) / sum(rate(engine_requests_total{@}[5m])) > 0.05',
        "5m",
        "critical",
        "More than 5% of the answers are server errors.",
    ),
    Alert(
        "ServiceSlow",
        "histogram_quantile(0.99, sum by (le) (rate(engine_request_duration_seconds_bucket{@}[5m]))) > 1",
        "10m",
        "warning",
        "1% of the requests take longer than a second.",
    ),
    Alert(
        "ServiceOverloaded",
        'sum(rate(engine_refused_total{@,reason="overload"}[5m])) > 0',
        "5m",
        "warning",
        "Requests are refused with 503, since too many are in progress.",
    ),
    Alert(
        "ServiceDegraded",
        "max(engine_degraded{@}) == 1",
        "5m",
        "warning",
        "The files of the spec have changed and were rejected; the log and /-/status say why.",
    ),
    Alert(
        "ServiceWorkersRestart",
        "sum(increase(engine_worker_restarts_total{@}[15m])) > 3",
        "0m",
        "warning",
        "Workers end, hang or are killed again and again; the log says which and why.",
    ),
    Alert(
        "ServiceStandIn",
        "max(engine_model_stand_in{@}) == 1",
        "15m",
        "warning",
        "Examples answer in place of a model whose file does not exist.",
    ),
    Alert(
        "ServiceLogLinesLost",
        "sum(increase(engine_log_lines_dropped_total{@}[15m])) > 0",
        "0m",
        "warning",
        "Log lines were dropped, because nobody read them fast enough.",
    ),
    Alert(
        "ServiceDown",
        "sum(up{@}) == 0 or absent(up{@})",
        "2m",
        "critical",
        "No pod of the service can be reached.",
    ),
)
REDIS_ALERT = Alert(
    "ServiceRateLimitStorage",
    "sum(increase(engine_rate_limit_storage_failures_total{@}[5m])) > 0",
    "5m",
    "warning",
    "The Redis server of the rate limits does not respond.",
)


def admin_service(settings: Settings) -> dict[str, Any]:
    """Make a Service of its own for the admin port, so that the one for clients does not publish it."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": f"{settings.name}-admin", "labels": _admin_labels(settings)},
        "spec": {
            "clusterIP": "None",
            "selector": settings.labels,
            "ports": [{"name": "admin", "port": ADMIN_PORT, "targetPort": "admin"}],
        },
    }


def service_monitor(settings: Settings) -> dict[str, Any]:
    """Make the ServiceMonitor."""
    endpoint: dict[str, Any] = {"port": "admin", "path": settings.paths["metrics"], "interval": "30s"}
    if settings.metrics_need_key:
        endpoint["authorization"] = {"type": "Bearer", "credentials": {"name": settings.metrics_secret, "key": "key"}}
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": settings.metadata(),
        "spec": {
            "jobLabel": "app.kubernetes.io/name",
            "selector": {"matchLabels": _admin_labels(settings)},
            "endpoints": [endpoint],
        },
    }


def alert_rules(settings: Settings) -> dict[str, Any]:
    """Make the PrometheusRule."""
    alerts = (*ALERTS, *([REDIS_ALERT] if settings.redis_port is not None else []))
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": settings.metadata(),
        "spec": {"groups": [{"name": settings.name, "rules": [_rule(settings, alert) for alert in alerts]}]},
    }


def _rule(settings: Settings, alert: Alert) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expression.replace("@", f'job="{settings.name}"'),
        "for": alert.lasting,
        "labels": {"severity": alert.severity, "service": settings.name},
        "annotations": {"summary": alert.summary},
    }


def _admin_labels(settings: Settings) -> dict[str, str]:
    return {**settings.labels, "app.kubernetes.io/component": "admin"}
