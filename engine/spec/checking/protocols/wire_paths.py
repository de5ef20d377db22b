"""The paths of each protocol: one concrete path for each model, so that requests are found without a router."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from engine.spec.protocol_records import Protocol, WireAction

HEALTH_VARIABLE, PREDICT_VARIABLE = "AIP_HEALTH_ROUTE", "AIP_PREDICT_ROUTE"  # by which Vertex AI chooses its paths
# Their clients have no keys.
HEALTH: frozenset[WireAction] = frozenset(("live", "ready", "alive"))


@dataclass(frozen=True, slots=True)
class WirePath:
    """A path of a protocol, and what it does with which model; None for no single one."""

    path: str
    method: Literal["GET", "POST"]
    action: WireAction
    model: str | None = None


def paths_of(protocol: Protocol) -> Iterator[WirePath]:
    """Yield the paths of a protocol."""
    match protocol.name:
        case "v2":
            yield from _v2_paths(protocol.models)
        case "v1":
            yield WirePath("/", "GET", "alive")
            yield WirePath("/v1/models", "GET", "list")
            for name in protocol.models:
                yield WirePath(f"/v1/models/{name}", "GET", "model", name)
                yield WirePath(f"/v1/models/{name}:predict", "POST", "infer", name)
        case "mlflow":
            for name in protocol.models[:1]:
                yield WirePath("/ping", "GET", "ready")
                yield WirePath("/health", "GET", "ready")
                yield WirePath("/version", "GET", "version")
                yield WirePath("/invocations", "POST", "infer", name)
                yield WirePath(f"/serving-endpoints/{name}/invocations", "POST", "infer", name)
        case "sagemaker":
            for name in protocol.models[:1]:
                yield WirePath("/ping", "GET", "ready")
                yield WirePath("/invocations", "POST", "infer", name)
                yield WirePath(f"/endpoints/{name}/invocations", "POST", "infer", name)
        case "vertex":
            health, predict = os.environ.get(HEALTH_VARIABLE), os.environ.get(PREDICT_VARIABLE)
            for name in protocol.models[:1] if health and predict else ():
                yield WirePath(health or "", "GET", "ready")
                yield WirePath(predict or "", "POST", "infer", name)


def _v2_paths(models: tuple[str, ...]) -> Iterator[WirePath]:
    yield WirePath("/v2", "GET", "service")
    yield WirePath("/v2/", "GET", "service")
    yield WirePath("/v2/health/live", "GET", "live")
    yield WirePath("/v2/health/ready", "GET", "ready")
    yield WirePath("/v2/models", "GET", "list")
    yield WirePath("/v2/repository/index", "POST", "list")
    for name in models:
        for path in (f"/v2/models/{name}", f"/v2/models/{name}/versions/<version>"):
            yield WirePath(path, "GET", "model", name)
            yield WirePath(f"{path}/ready", "GET", "model-ready", name)
            yield WirePath(f"{path}/infer", "POST", "infer", name)
