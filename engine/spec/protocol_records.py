"""A wire protocol of a service, and what each of its routes does, as frozen records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ProtocolName = Literal["v2", "v1", "mlflow", "sagemaker", "vertex"]
WireAction = Literal["live", "ready", "service", "list", "model", "model-ready", "infer", "alive", "version"]

PROTOCOLS: dict[ProtocolName, str] = {
    "v2": "the Open Inference Protocol v2",
    "v1": "KServe's v1 protocol",
    "mlflow": "MLflow's scoring protocol",
    "sagemaker": "the protocol of SageMaker's containers",
    "vertex": "the protocol of Vertex AI's containers",
}
SINGLE: frozenset[ProtocolName] = frozenset(("mlflow", "sagemaker", "vertex"))
"""The protocols whose paths name no model, so that each serves one."""
LENGTH_HEADER = "Inference-Header-Content-Length"
"""In which v2 has the length of the JSON, if bytes follow it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """A protocol with the models that it serves; `allowed` are the names of the keys that may ask them."""

    name: ProtocolName
    models: tuple[str, ...]
    allowed: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """What a route of one or several protocols does; errors have the form of the first one.

    `serves` are the models that it tells of.
    """

    protocols: tuple[ProtocolName, ...]
    action: WireAction
    serves: tuple[str, ...] = ()
