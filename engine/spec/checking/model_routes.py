"""Routes with a model: the model, and path parameters that are features of it."""

from __future__ import annotations

from collections.abc import Iterator

from engine.diagnostics import Diagnostic
from engine.schema import TYPE_NAMES, InstanceSchema, Subschema, show
from engine.spec.checking.schemas import has_form
from engine.spec.reading.node import Node
from engine.spec.urls.url_rules import parameter_schemas, text_parameters
from engine.text import did_you_mean

_IN_A_PATH = frozenset(("boolean", "number", "string"))


def check_model(route: Node, models_file: str | None, models: Node | None) -> Iterator[Diagnostic]:
    """Report a model that does not exist, or that cannot be asked by GET."""
    model = route["model"]
    if model.text is None:
        return
    if models_file is None:
        yield model.error(f'unknown model "{model.text}": there is no models.yaml beside this file')
    elif models is not None and model.text not in models:
        known = did_you_mean(model.text, models.fields or (), f"{models_file} has")
        yield model.error(f'unknown model "{model.text}" {known}')
    kind = models[model.text]["input"]["type"].plain if models is not None else None
    for method in route["methods"].items:
        if method.text == "GET" and kind not in (None, "object") and "instance" not in route:
            yield method.error(
                "GET takes features as query parameters, but the input of this model is of type "
                f"{show(kind)}, not an object; use POST"
            )


def check_path_features(route: Node, path: str, models: Node | None) -> Iterator[Diagnostic]:
    """Report path parameters of a model's route that are not features of the model."""
    model = route["model"].text
    if model is None or models is None or model not in models or "instance" in route:
        return
    schema, parameters = models[model]["input"], parameter_schemas(path)
    if not parameters or not has_form(schema.plain):  # a large input is not judged again for every route
        return
    for name, parameter in parameters.items():
        feature = schema["properties"][name]
        if schema["type"].plain not in (None, "object"):
            kind = show(schema["type"].plain)
            message = f'path parameter "{name}" is not a feature: the model\'s input is of type {kind}, not an object'
            yield route["path"].error(message)
        elif not feature.present:
            known = did_you_mean(name, (one for one, _, _ in schema["properties"].pairs()), "its features are")
            yield route["path"].error(f'path parameter "{name}" is not a feature of the model "{model}" {known}')
        elif not (types := Subschema(feature.plain, schema.plain).types) & _IN_A_PATH:
            message = f'path parameter "{name}": the feature is {_either(types)}, which a path cannot contain'
            yield route["path"].error(f"{message}; send it in the body")
        elif not (name in text_parameters(path) or "enum" in parameter or types & InstanceSchema(parameter).types):
            message = f'path parameter "{name}": the feature is {_either(types)}, which its converter cannot return'
            yield route["path"].error(f"{message}; write <{name}>")


def _either(types: frozenset[str]) -> str:
    return " or ".join(TYPE_NAMES[name] for name in sorted(types))
