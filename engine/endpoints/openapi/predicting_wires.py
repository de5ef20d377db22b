"""The routes of the protocols v1, Vertex, MLflow and SageMaker in an OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from engine.endpoints.openapi.component_names import pascal_case
from engine.endpoints.openapi.components import with_model_bounds
from engine.endpoints.shape_names import result_schema
from engine.schema.samples import sample
from engine.spec import Model

if TYPE_CHECKING:
    from engine.endpoints.openapi.wires import WireRoute

_JSON, _CSV = "application/json", "text/csv"
_SAID: Mapping[str, tuple[str, dict[str, Any]]] = {
    "alive": ("The service runs.", {"type": "object", "properties": {"status": {"const": "alive"}}}),
    "list": (
        "The models.",
        {"type": "object", "properties": {"models": {"type": "array", "items": {"type": "string"}}}},
    ),
    "model": (
        "The model is ready.",
        {"type": "object", "properties": {"name": {"type": "string"}, "ready": {"const": True}}},
    ),
}
_PARAMS = {"type": ["object", "null"], "description": "Parameters of an inference; they have no effect."}
_SPLIT = {
    "type": "object",
    "description": "A frame as `to_dict(orient='split')` of pandas writes it.",
    "required": ["data"],
    "properties": {
        "columns": {"type": "array", "items": {"type": "string"}},
        "index": {},
        "data": {"type": "array", "minItems": 1, "items": {"type": "array"}},
    },
}


def describe_predicting(one: WireRoute) -> dict[str, Any]:
    """Describe a route of one of these protocols."""
    if one.route.model is None:
        means, schema = _SAID.get(one.wire.action, ("OK", {}))
        return {"responses": {"200": {"description": means, "content": {_JSON: {"schema": schema} if schema else {}}}}}
    is_container = "sagemaker" in one.wire.protocols
    has_frames = is_container or "mlflow" in one.wire.protocols
    predictions = {"type": "array", "minItems": 1, "items": result_schema(one.models[one.route.model])}
    answer: dict[str, Any] = {"type": "object", "required": ["predictions"], "properties": {"predictions": predictions}}
    content: dict[str, Any] = {_JSON: {"schema": {"anyOf": [answer, predictions]} if is_container else answer}}
    if is_container:
        content[_CSV] = _text("A line for each instance, without a header, if `Accept` prefers that.")
    said = {"description": "The predictions, in the order of the instances.", "content": content}
    return {
        "requestBody": {"required": True, "content": _taken(one, has_frames=has_frames)},
        "responses": {"200": said},
    }


def example_of_predicting(model: Model) -> dict[str, Any]:
    """Return a body that these protocols take."""
    inputs = [example.input for example in model.shown_examples] or [sample(model.input.instance)]
    return {"instances": inputs}


def _taken(one: WireRoute, *, has_frames: bool) -> dict[str, Any]:
    """Describe the bodies of a route."""
    model = one.spec.models[one.route.model or ""]
    instances = _instances(one, model)
    keys: dict[str, Any] = {"instances": instances, "inputs": instances}
    if has_frames:
        records = {"type": "array", "minItems": 1, "items": {"type": "object"}}
        keys = {"dataframe_split": _SPLIT, "dataframe_records": records, **keys}
    properties = keys | ({"params": _PARAMS} if has_frames else {})
    schema: Any = {"type": "object", "properties": properties, "oneOf": [{"required": [key]} for key in keys]}
    if "sagemaker" in one.wire.protocols:
        schema = {"anyOf": [schema, {"type": "array", "minItems": 1}]}
    content: dict[str, Any] = {_JSON: {"schema": schema, "example": example_of_predicting(model)}}
    if has_frames:
        may_lack = " It may be left out." * ("sagemaker" in one.wire.protocols)
        content[_CSV] = _text(f"A CSV in UTF-8. Its first line names the columns.{may_lack}")
    return content


def _instances(one: WireRoute, model: Model) -> dict[str, Any]:
    """Describe the ways in which instances are sent."""
    schema = with_model_bounds(model.input.instance, one.models[model.name].largest)
    instance = one.components.take_in(f"{pascal_case(model.name)}Instance", schema)
    form, most = model.input.instance.form, one.route.limits.instances
    row: dict[str, Any] = {"type": "array", "description": "The values of an instance, in the order of the features."}
    items = {"anyOf": [instance, row]} if form == "object" else instance
    listed = {"type": "array", "minItems": 1, "maxItems": most, "items": items}
    if form != "object":
        return listed
    column = {"type": "array", "description": "The values of a feature, one for each instance."}
    return {"anyOf": [listed, {"type": "object", "additionalProperties": column}, instance]}


def _text(said: str) -> dict[str, Any]:
    return {"schema": {"type": "string", "description": said}}
