"""What a client can find out about the service and its models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.batch.tensors.fitting import feature_order
from engine.batch.tensors.outputs import declared_outputs
from engine.models import Facts
from engine.schema import Subschema
from engine.spec import Model, Service

EXTENSIONS = ("binary_tensor_data",)
INPUT = "input-0"
"""The name of the tensor in descriptions of a model whose instances have no names for it; any other will do."""


def describe_service(service: Service) -> dict[str, Any]:
    """Return the metadata of the service."""
    return {"name": service.title, "version": service.version, "extensions": EXTENSIONS}


def describe_model(model: Model, facts: Facts) -> dict[str, Any]:
    """Return the metadata of a model."""
    outputs = [
        {"name": one.name, "datatype": one.datatype.name, "shape": [-1, *one.lengths]}
        for one in declared_outputs(model, facts)
    ]
    return {
        "name": model.name,
        "versions": [facts.hash],
        "platform": _platform(facts),
        "inputs": describe_inputs(model, facts),
        "outputs": outputs,
    }


def describe_inputs(model: Model, facts: Facts) -> list[dict[str, Any]]:
    """Describe the tensors that a model takes: one for each feature of an object."""
    instance = model.input.instance
    if instance.form == "object":
        features = instance.properties
        return [_input(name, datatype_of(features[name]), -1) for name in feature_order(model, facts)]
    if instance.form == "array":
        width = facts.features if isinstance(facts.features, int) else -1
        return [_input(INPUT, datatype_of(instance.prefix[0] if instance.prefix else instance.items), -1, width)]
    return [_input(INPUT, datatype_of(instance), -1)]


def list_repository(facts: Mapping[str, Facts]) -> list[dict[str, str]]:
    """Return the index of the repository, as Triton does."""
    return [{"name": name, "version": one.hash, "state": "READY", "reason": ""} for name, one in facts.items()]


def datatype_of(feature: Subschema) -> str:
    """Name the datatype that holds every value of a feature; texts where they are of several kinds."""
    kinds = feature.types - {"null"}
    if kinds == {"boolean"}:
        return "BOOL"
    if kinds == {"number"}:
        return "INT64" if feature.is_whole and not feature.is_nullable else "FP64"
    return "BYTES"


def _input(name: str, datatype: str, *shape: int) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape}


def _platform(facts: Facts) -> str:
    """Name what computes the model, in the form of the protocol's table of platforms."""
    return "engine_examples" if facts.is_stand_in else f"engine_{facts.report.runtime}"
