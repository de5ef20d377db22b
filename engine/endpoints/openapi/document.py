"""The OpenAPI 3.1 document of the service: every route with its inputs and all its possible responses.

https://spec.openapis.org/oas/v3.1.0
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from engine.endpoints.openapi.body_formats import formats_of
from engine.endpoints.openapi.component_names import pascal_case, route_name
from engine.endpoints.openapi.components import Components, with_model_bounds
from engine.endpoints.openapi.declared import content_of, declared_answers, join_items
from engine.endpoints.openapi.declared_parameters import declared_parameters, path_schema
from engine.endpoints.openapi.joining import join_operations, joined_answers
from engine.endpoints.openapi.responses import (
    PROBLEM,
    STRICT_TYPE,
    UNKNOWN_KEY,
    description_of,
    example_of,
    headed,
    meaning_of,
    prediction_schema,
    statuses_of,
)
from engine.endpoints.openapi.row_formats import rows_in, rows_out
from engine.endpoints.openapi.summaries import ENGINE_TAG, built_in_answers, summary_of, tags_of, without_features
from engine.endpoints.openapi.wires import WireRoute, describe_wire
from engine.endpoints.prediction import MODEL_HEADER
from engine.endpoints.problems import MEDIA_TYPE, status_title
from engine.endpoints.shape_names import shaped_names, takes_many
from engine.models import Facts
from engine.spec import (
    BATCH_KEY,
    Case,
    Model,
    Names,
    Route,
    Spec,
    Table,
    path_object,
    path_template,
    problem_names,
    route_names,
    text_parameters,
    without_answer,
)

VERSION = "3.1.0"
DEFAULT = "default"
KEY_HEADER = "X-API-Key"

_SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "key": {"type": "apiKey", "in": "header", "name": KEY_HEADER},
}


def describe_spec(spec: Spec, models: Mapping[str, Facts], path: str | None = None) -> dict[str, Any]:
    """Write the document of a spec, with the facts known about its models.

    `path` is the document's own path, by default the one in the spec; from it the document refers to the root of the
    service.
    """
    usual = next((route.path for route in spec.built_in if route.built_in == "openapi"), "/")
    return _Describer(spec, models).document(usual if path is None else path)


class _Describer:
    """A document that is being written."""

    def __init__(self, spec: Spec, models: Mapping[str, Facts]) -> None:
        self._spec = spec
        self._models = models
        self._components = Components()
        if DEFAULT not in spec.error_bodies:
            self._problem = self._components.put("Problem", PROBLEM)
        self._responses: dict[str, Any] = {}
        self._inputs: dict[tuple[str, tuple[str, ...]], dict[str, str]] = {}
        self._predictions: dict[str, dict[str, str]] = {}
        self._headers: dict[frozenset[str], int] = {}
        self._ids: set[str] = set()

    def document(self, path: str) -> dict[str, Any]:
        service = self._spec.service
        paths: dict[str, dict[str, Any]] = {}
        templates: dict[str, str] = {}
        for route in (*self._spec.routes, *self._spec.built_in):
            written = path_template(route.path)
            template = templates.setdefault(re.sub(r"\{[^}]*\}", "{}", written), written)
            item = paths.setdefault(template, {})
            for method in route.methods:
                operation = self._operation(route, method, template)
                known = item.get(method.lower())
                item[method.lower()] = (
                    operation if known is None else join_operations(known, operation, self._responses)
                )
        tags = dict.fromkeys(tag for item in paths.values() for one in item.values() for tag in one["tags"])
        info = {"title": service.title, "version": service.version}
        return {
            "openapi": VERSION,
            "info": {**info, "description": service.description} if service.description else info,
            "servers": [{"url": quote(service.base_path) or _root(path), "description": "This service"}],
            "tags": [{"name": tag} for tag in sorted(tags, key=lambda tag: tag == ENGINE_TAG)],
            "paths": paths,
            "components": {
                "schemas": self._components.schemas,
                "responses": self._responses,
                **({"securitySchemes": _SECURITY_SCHEMES} if service.auth is not None else {}),
            },
        }

    def _operation(self, route: Route, method: str, template: str) -> dict[str, Any]:
        is_own = route.model is not None and route.instance is None and route.input is None
        takes_query = is_own and method == "GET"
        operation: dict[str, Any] = {
            "operationId": self._id(method, template),
            "summary": summary_of(route),
            "tags": list(tags_of(route)),
        }
        if description := description_of(route, self._spec, self._models):
            operation["description"] = description
        if route.allowed is not None:
            operation["security"] = [{name: []} for name in _SECURITY_SCHEMES]
        if route.wire is not None:
            return operation | describe_wire(WireRoute(route, route.wire, self._spec, self._models, self._components))
        parameters = self._path_parameters(route, template)
        if takes_query:
            parameters += self._query_parameters(route)
        parameters += declared_parameters(route, self._components)
        if parameters:
            operation["parameters"] = parameters
        if not takes_query and (body := self._body(route)) is not None:
            operation["requestBody"] = body
        statuses = (*statuses_of(route, method), *["404"] * self._is_keyed(route))
        problems = {status: self._refused(status, route) for status in statuses}
        answers = {status: headed(one, route.response_headers) for status, one in self._answers(route, method).items()}
        operation["responses"] = joined_answers(answers, problems, self._responses)
        return operation

    def _id(self, method: str, template: str) -> str:
        slug = "_".join(re.findall(r"[A-Za-z0-9]+", template)) or "root"
        chosen, number = f"{method.lower()}_{slug}", 2
        while chosen in self._ids:
            chosen, number = f"{method.lower()}_{slug}_{number}", number + 1
        self._ids.add(chosen)
        return chosen

    def _model(self, route: Route) -> Model:
        return self._spec.models[route.model or ""]

    def _input(self, model: Model, in_path: tuple[str, ...] = ()) -> dict[str, str]:
        """Return the reference to the schema of one instance, without the features in the path."""
        key = (model.name, in_path)
        if key not in self._inputs:
            schema = with_model_bounds(model.input.instance.without(in_path), self._models[model.name].largest)
            self._inputs[key] = self._components.take_in(f"{pascal_case(model.name)}Instance", schema)
        return self._inputs[key]

    def _path_parameters(self, route: Route, template: str) -> list[dict[str, Any]]:
        """Describe the path parameters, under their names in the template.

        A text that is a model's feature is described as the feature.
        """
        names = re.findall(r"\{([^}]*)\}", template)
        declared = path_object(route.path, None) if route.path_parameters is None else route.path_parameters.document
        name = f"{route_name(route)}Path"
        schemas: dict[str, Any] = dict(self._components.take_in_properties(name, declared))
        if route.model is not None and route.instance is None and (texts := text_parameters(route.path)):
            features = self._components.properties(self._input(self._model(route)))
            schemas |= {name: features[name] for name in texts}
        return [
            {"name": name, "in": "path", "required": True, "schema": path_schema(schema)}
            for name, schema in zip(names, schemas.values(), strict=True)
        ]

    def _query_parameters(self, route: Route) -> list[dict[str, Any]]:
        reference = self._input(self._model(route), route.parameters)
        required = self._model(route).input.instance.required
        return [
            {"name": name, "in": "query", "required": name in required, "schema": schema}
            for name, schema in self._components.properties(reference).items()
        ]

    def _body(self, route: Route) -> dict[str, Any] | None:
        if route.input is not None:
            # As it is written: the document shows clients the schema itself, with its references rewritten.
            name = pascal_case(route.input.name) if route.input.name else f"{route_name(route)}Input"
            reference = self._components.take_in(name, route.input.document)
            is_many = route.model is not None and takes_many(route, self._spec)
            taken = self._batch(reference, route) if is_many else reference
            return {"required": True, "content": formats_of(route, taken, self._components.properties(reference))}
        if route.model is None or route.instance is not None:
            return None
        model = self._model(route)
        schema: Any = self._input(model, route.parameters)
        if takes_many(route, self._spec):
            schema = self._batch(schema, route)
        content: dict[str, Any] = {"schema": schema}
        inputs = [without_features(one.input, route) for one in model.shown_examples]
        if inputs:
            shown = {f"example-{number}": {"value": one} for number, one in enumerate(inputs, 1)}
            content["examples"] = shown
        instance = self._input(model, route.parameters)
        rows = {} if route.is_single else rows_in(model, route, instance, inputs)
        return {"required": True, "content": {"application/json": content, **rows}}

    def _batch(self, schema: Mapping[str, Any], route: Route) -> dict[str, Any]:
        """Describe one item, or several of them."""
        batch = {
            "type": "object",
            "required": [BATCH_KEY],
            "additionalProperties": False,
            "properties": {
                BATCH_KEY: {"type": "array", "minItems": 1, "maxItems": route.limits.instances, "items": schema}
            },
        }
        alone = {**schema, "not": {"type": "object", "required": [BATCH_KEY]}}  # with these, it is a batch
        name = pascal_case(route.model or "") if route.input is None else route_name(route)
        return {"anyOf": [alone, self._components.put(f"{name}Instances", batch)]}

    def _answers(self, route: Route, method: str) -> dict[str, Any]:
        """Describe the answers of a route, also those where its model fails."""
        answers = self._own_answers(route, method)
        if route.on_failure is None:
            return answers
        failed = Case(node=route.on_failure.node, response=route.on_failure)
        return joined_answers(answers, declared_answers((failed,), without_answer(self._names(route)), method), {})

    def _own_answers(self, route: Route, method: str) -> dict[str, Any]:
        if route.built_in is not None:
            return built_in_answers(route.built_in)
        if route.cases:
            answers = declared_answers(route.cases, self._names(route), method)
            return join_items(answers) if route.model is not None and takes_many(route, self._spec) else answers
        if route.model is not None:
            model = self._model(route)
            content: dict[str, Any] = {"application/json": {"schema": self._prediction(route), **example_of(model)}}
            content |= rows_out(model, self._models[model.name])
            answer: dict[str, Any] = {
                "description": "The predictions, in the order of the instances.",
                "content": content,
            }
            if self._spec.service.model_header:
                says = "The model and the first digits of the SHA-256 of the file that answers."
                answer["headers"] = {MODEL_HEADER: {"description": says, "schema": {"type": "string"}}}
            return {"200": answer}
        return {}

    def _names(self, route: Route) -> Names:
        if route.model is None:
            return route_names(route, self._spec.models)
        return shaped_names(route, self._spec, self._models[route.model])

    def _prediction(self, route: Route) -> dict[str, str]:
        model = self._model(route)
        if model.name not in self._predictions:
            schema = prediction_schema(model, self._models[model.name])
            self._predictions[model.name] = self._components.put(f"{pascal_case(model.name)}Prediction", schema)
        return self._predictions[model.name]

    def _refused(self, status: str, route: Route) -> dict[str, str]:
        """Return the reference to the description of an error; routes with other headers have other descriptions."""
        is_strict, number = status == "415" and route.strict_content_type, self._number_of_headers(route)
        is_keyed = status == "404" and self._is_keyed(route)
        name = pascal_case(status_title(int(status))) + "Strict" * is_strict + "Key" * is_keyed
        name += str(number) if number > 1 else ""
        if name not in self._responses:
            body = self._spec.error_bodies.get(status) or self._spec.error_bodies.get(DEFAULT)
            if body is None:
                content: dict[str, Any] = {MEDIA_TYPE: {"schema": self._problem}, "text/html": {}}
            else:
                content = content_of(body, problem_names())
            means = STRICT_TYPE if is_strict else UNKNOWN_KEY if is_keyed else meaning_of(int(status), body)
            self._responses[name] = headed({"description": means, "content": content}, route.response_headers)
        return {"$ref": f"#/components/responses/{name}"}

    def _number_of_headers(self, route: Route) -> int:
        """Return the number of the set of headers that the answers of a route have; 1 is that of the service."""
        of_service, names = ({name for name, _ in one.response_headers} for one in (self._spec.service, route))
        self._headers.setdefault(frozenset(of_service), 1)
        return self._headers.setdefault(frozenset(names), len(self._headers) + 1)

    def _is_keyed(self, route: Route) -> bool:
        """Return whether a route asks for a row of a table, which may be missing."""
        asked = self._spec.only([route.model]).models if route.model is not None else {}
        return any(isinstance(model, Table) for model in asked.values())


def _root(path: str) -> str:
    """Return the path from a document to the root of the service, also valid behind a proxy that adds a prefix."""
    return "/".join([".."] * (path.count("/") - 1)) or "."
