"""Routes, models and the spec as frozen records. Field names are the YAML's keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from engine.diagnostics import Diagnostic
from engine.schema import LOCAL_TIME, InstanceSchema, Validator
from engine.spec.choices import RESPONSE_METHODS, ResponseMethodName, RuntimeName
from engine.spec.reading.source import Source
from engine.spec.service_records import Cors, Limits, RateLimit, Record, Service

BuiltIn = Literal["docs", "openapi", "metrics", "live", "ready", "status"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedResponse(Record):
    """A fixed response; `kind` is the key of its body, "empty" without one, and `content` the body in the spec.

    `data` are the bytes of the file that a `file` names, at the time when the spec was read.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    kind: str = "empty"
    content: Any = None
    data: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, kw_only=True)  # without slots, to keep what is cached; only fields are pickled
class Schema(Record):
    """A JSON Schema 2020-12, checked: it compiles, and all its references resolve.

    With `formats`, the keyword `format` is checked. In the properties `times`, a date-time may leave out its offset:
    they are columns of times, which may have been trained without one.
    """

    document: Any
    formats: bool = True
    times: frozenset[str] = frozenset()

    @cached_property
    def instance(self) -> InstanceSchema:
        """What the schema says of an instance, interpreted once."""
        return InstanceSchema(self.document)

    def validator(self) -> Validator:
        return Validator(self._with_local_times(), formats=self.formats)

    def of_property(self, name: str) -> Validator:
        """Compile the schema of one property, with all definitions that it may refer to."""
        document = self._with_local_times()
        return Validator.of_part(document, document["properties"][name], formats=self.formats)

    def _with_local_times(self) -> Any:
        properties = self.document.get("properties", {}) if self.times else {}
        local = {
            name: {**schema, "format": LOCAL_TIME}
            for name, schema in properties.items()
            if name in self.times and isinstance(schema, Mapping) and schema.get("format") == "date-time"
        }
        return {**self.document, "properties": {**properties, **local}} if local else self.document


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(Record):
    """A URL rule with its parameters' names, its methods, and its answer.

    The answer is a `response`, a `model`, or a `built_in` route of the engine. `allowed` are the names of the API keys
    that may use it, None if no key is required. `sources` are the networks that see the status. Every answer, also to
    an error, gets those of the `response_headers` that it has not itself.
    """

    path: str
    parameters: tuple[str, ...] = ()
    methods: tuple[str, ...]
    response: FixedResponse | None = None
    model: str | None = None
    built_in: BuiltIn | None = None
    input: Schema | None = None
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

    @property
    def reads_body(self) -> bool:
        """Whether the route uses the request's body."""
        return self.model is not None or self.input is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Output(Record):
    """The contents of an answer in addition to `result`."""

    labels: tuple[str, ...] | None = None
    probabilities: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold(Record):
    """The probability at or above which a classifier with two classes answers `positive`, or else the second class."""

    at_least: float
    positive: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch(Record):
    """How requests share a call of scikit-learn: at most `max_size` rows, after at most `max_wait_ms`."""

    max_size: int = 256
    max_wait_ms: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Example(Record):
    """An instance and its expected result, which was the model's own answer if it is `recorded`."""

    input: Any
    result: Any
    recorded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin(Record):
    """A model's file at the time when it was trusted, and the model's answers.

    `modules` are the SHA-256 of the modules beside models.yaml that the file refers to, by their paths. `entry` is what
    the entry in models.yaml said of answers, None in a lock of an earlier version.
    """

    sha256: str
    format: str
    libraries: Mapping[str, str]
    golden: tuple[Example, ...]
    modules: Mapping[str, str] = field(default_factory=dict)
    entry: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Model(Record):
    """A model file and its input; `lock_command` is the command that pins the file as it is.

    `folder` is the folder of models.yaml, with the modules that the file refers to.
    """

    name: str
    folder: Path
    file: Path
    description: str = ""
    input: Schema
    features: tuple[str, ...] | None = None
    dtypes: Mapping[str, str] = field(default_factory=dict)
    rows: Literal["auto", "array", "table", "mappings"] = "auto"
    output: Output
    threshold: Threshold | None = None
    examples: tuple[Example, ...] = ()
    response_method: ResponseMethodName = "predict"
    reference: Path | None = None
    show_reference: bool = False
    batch: Batch
    runtime: Literal["auto"] | RuntimeName = "auto"
    timeout: float = 30.0
    trusted: tuple[str, ...] = ()
    allow_version_mismatch: bool = False
    pin: Pin | None = None
    lock_command: str = ""

    @property
    def answers_classes(self) -> bool:
        """Whether a classifier's results are its classes."""
        return RESPONSE_METHODS[self.response_method].answers_classes

    @property
    def shown_examples(self) -> tuple[Example, ...]:
        """The examples that clients may see; `init` records rows of the reference, which may be personal data."""
        is_open = self.reference is None or self.show_reference
        return tuple(example for example in self.examples if is_open or not example.recorded)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """Both files of a service; `folder` is the folder of the routes' file.

    `routes` are those of the file and of those that it includes, `built_in` those that the engine adds. `files` are
    those that were read beside the spec's own, by their names in the folder. `lock` is the path of `pins`, which
    include those of models that are not in the spec.
    """

    folder: Path
    service: Service
    routes: tuple[Route, ...]
    built_in: tuple[Route, ...]
    models: Mapping[str, Model]
    files: Mapping[str, Source] = field(default_factory=dict)
    lock: Path | None = None
    pins: Mapping[str, Pin] = field(default_factory=dict)
    warnings: tuple[Diagnostic, ...] = ()
