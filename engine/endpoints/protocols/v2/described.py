"""The protocol's routes in an OpenAPI document: the schemas of their bodies, and an example of each for its model."""

from __future__ import annotations

from typing import Any

from engine.batch.tensors.datatypes import DATATYPES
from engine.batch.tensors.fitting import TensorFitter
from engine.batch.tensors.outputs import FIRST, declared_outputs
from engine.endpoints.protocols.v2.metadata import INPUT, datatype_of, describe_inputs
from engine.models import Facts
from engine.schema.samples import sample
from engine.spec import LENGTH_HEADER, Model

_PARAMETERS = {"type": "object", "description": "Unknown ones are ignored."}
_TENSOR = {
    "name": {"type": "string"},
    "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
    "datatype": {"enum": [*DATATYPES]},
    "parameters": _PARAMETERS,
    "data": {"type": "array", "description": "The values in row-major order, flat or nested as the shape says."},
}
TENSOR = {"type": "object", "required": ["name", "shape", "datatype"], "properties": _TENSOR}
"""An input or an output; its bytes are behind the JSON where `parameters` has `binary_data_size`."""
LENGTH: dict[str, Any] = {
    "name": LENGTH_HEADER,
    "in": "header",
    "required": False,
    "description": "The length of the JSON in bytes, decoded, if the bytes of tensors are behind it.",
    "schema": {"type": "integer", "minimum": 0},
}
ANSWER_LENGTH: dict[str, Any] = {
    "description": "The length of the JSON in bytes, if the bytes of outputs are behind it.",
    "schema": {"type": "integer"},
}


def request_schema(tensor: dict[str, str], model: Model, facts: Facts) -> dict[str, Any]:
    """Describe the request of a model; `tensor` is the reference to a tensor."""
    names = [FIRST, *(one.name for one in declared_outputs(model, facts))]
    output = {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"enum": names}, "parameters": _PARAMETERS},
    }
    advice = TensorFitter(model, facts).advice
    return {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": {"type": ["string", "null"]},
            "parameters": _PARAMETERS,
            "inputs": {
                "type": "array",
                "minItems": 1,
                "items": tensor,
                "description": advice[0].upper() + advice[1:] + ".",
            },
            "outputs": {"type": "array", "items": output, "description": "Without it, all outputs are answered."},
        },
    }


def response_schema(tensor: dict[str, str]) -> dict[str, Any]:
    """Describe the answer; `tensor` is the reference to a tensor."""
    properties = {
        "model_name": {"type": "string"},
        "model_version": {"type": "string"},
        "id": {"type": "string"},
        "outputs": {"type": "array", "minItems": 1, "items": tensor},
    }
    return {"type": "object", "required": [*properties], "properties": properties}


def example_request(model: Model, facts: Facts) -> dict[str, Any]:
    """Make a request of the model's first example, or of what its schema says."""
    shown, instance = model.shown_examples, model.input.instance
    value = shown[0].input if shown else sample(instance)
    if instance.form == "object" and isinstance(value, dict):
        features = instance.properties
        inputs = [
            _tensor(name, datatype_of(features[name]) if name in features else "BYTES", [1], [one])
            for name, one in value.items()
        ]
    else:
        (described,) = describe_inputs(model, facts) if instance.form != "object" else [{"datatype": "BYTES"}]
        cells = value if isinstance(value, list) else [value]
        shape = [1, len(cells)] if instance.form == "array" else [1]
        inputs = [_tensor(INPUT, described["datatype"], shape, cells)]
    return {"inputs": inputs}


def _tensor(name: str, datatype: str, shape: list[int], data: list[Any]) -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}
