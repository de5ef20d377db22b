"""Routes and the spec as frozen records. Field names are the YAML's keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from engine.diagnostics import Diagnostic
from engine.spec.model_records import FileModel, Model, Pin, Schema
from engine.spec.protocol_records import Wire
from engine.spec.reading.source import Source
from engine.spec.response_records import Case, DeclaredResponse
from engine.spec.service_records import Cors, Fault, Limits, RateLimit, Record, Service

BATCH_KEY = "instances"
BuiltIn = Literal["docs", "openapi", "metrics", "live", "ready", "status"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(Record):
    """A URL rule with its parameters' names, its methods, and its answer.

    `cases` answer, the first whose condition is true; a lone `response` of the spec is one without a condition. Without
    any, a `model` answers as it is, or a `built_in` route of the engine. `wire` says what a
    route of a protocol does. The model's instances are made by `instance`,
    only one for a request that `is_single`; `on_failure` answers where the model fails. `query`, `headers`, `cookies`
    and `path_parameters` declare parameters, and `accepts` says how a body may be written. `allowed` are the names of
    the API keys that may use it, None if no key is required. `sources` are the networks that see the status. Every
    answer, also to an error, gets those of the `response_headers` that it has not itself.
    """

    path: str
    parameters: tuple[str, ...] = ()
    methods: tuple[str, ...]
    cases: tuple[Case, ...] = ()
    model: str | None = None
    instance: Any = None
    is_single: bool = False
    on_failure: DeclaredResponse | None = None
    built_in: BuiltIn | None = None
    wire: Wire | None = None
    input: Schema | None = None
    query: Schema | None = None
    headers: Schema | None = None
    cookies: Schema | None = None
    path_parameters: Schema | None = None
    accepts: tuple[str, ...] = ("json",)
    summary: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    limits: Limits
    allowed: tuple[str, ...] | None = None
    cors: Cors | None = None
    rate: RateLimit | None = None
    sources: tuple[str, ...] = ()
    strict_content_type: bool = False
    response_headers: tuple[tuple[str, str], ...] = ()
    fault: Fault | None = None

    @property
    def is_added(self) -> bool:
        """Whether the engine adds the route, of its own or of a protocol."""
        return self.built_in is not None or self.wire is not None

    @property
    def reads_body(self) -> bool:
        """Whether the route uses the request's body."""
        return self.model is not None or self.input is not None

    @property
    def is_faulty(self) -> bool:
        """Whether answers may be delayed, or fail."""
        return self.fault is not None or any(case.fault is not None for case in self.cases)

    @property
    def draws(self) -> bool:
        """Whether something is drawn for each request."""
        return self.is_faulty or any(case.chance is not None for case in self.cases)

    @property
    def responses(self) -> tuple[DeclaredResponse, ...]:
        """The responses that the spec declares for the route."""
        own = tuple(response for case in self.cases for response in case.responses)
        return own if self.on_failure is None else (*own, self.on_failure)

    @property
    def is_shaped(self) -> bool:
        """Whether a model's route declares more than the model itself does."""
        is_declared = bool(self.cases) or self.checks_parameters or self.input is not None
        return is_declared or self.instance is not None or self.on_failure is not None or self.is_single

    @property
    def checks_parameters(self) -> bool:
        """Whether the route declares parameters with schemas."""
        return any((self.query, self.headers, self.cookies, self.path_parameters))

    @property
    def is_negotiated(self) -> bool:
        """Whether a response has several bodies to choose from."""
        return any(len(response.bodies) > 1 for response in self.responses)

    @property
    def names_files(self) -> bool:
        """Whether requests name the files that are sent."""
        return any("${" in body.content for one in self.responses for body in one.bodies if body.kind == "file")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """Both files of a service; `folder` is the folder of the routes' file.

    `routes` are those of the file and of those that it includes, `built_in` those that the engine adds, and
    `error_bodies` what errors look like. `files` are those that were read beside the spec's own, by their names in the
    folder. `lock` is the path of `pins`, which include those of models that are not in the spec.
    """

    folder: Path
    service: Service
    routes: tuple[Route, ...]
    built_in: tuple[Route, ...]
    models: Mapping[str, Model]
    error_bodies: Mapping[str, DeclaredResponse] = field(default_factory=dict)
    files: Mapping[str, Source] = field(default_factory=dict)
    lock: Path | None = None
    pins: Mapping[str, Pin] = field(default_factory=dict)
    warnings: tuple[Diagnostic, ...] = ()

    @property
    def file_models(self) -> Mapping[str, FileModel]:
        """The models that have a file, by name; that of a chain is the model of its own file."""
        found = ((name, model.file_model) for name, model in self.models.items())
        return {name: own for name, own in found if own is not None}

    def only(self, names: Iterable[str]) -> Spec:
        """Return the spec with these models and those that they ask, the named ones first."""
        chosen, waiting = dict[str, Model](), [*names]
        for name in waiting:
            if name not in chosen:
                chosen[name] = self.models[name]
                waiting += chosen[name].parts
        return replace(self, models=chosen)
