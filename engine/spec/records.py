"""What a spec says, as frozen records. Field names are the YAML's keys; every record knows its places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from engine.errors import Diagnostic, Place, SpecError
from engine.spec.node import Node
from engine.validation import LOCAL_TIME, Validator

BuiltIn = Literal["docs", "openapi", "metrics", "live", "ready", "status"]
RATE_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
ResponseMethod = Literal["predict", "predict_proba", "decision_function", "transform", "score_samples"]
RESPONSE_METHODS: tuple[ResponseMethod, ...] = get_args(ResponseMethod)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A piece of a spec that can say where it stands."""

    node: Node = field(repr=False, compare=False)

    def place(self, *path: str | int) -> Place:
        """Give the place of a field, as far as the path leads: `model.place("features", 2)`."""
        return self.node.follow(path).place

    def error(self, message: str, *path: str | int) -> SpecError:
        """Make the error for a mistake that a later stage found in a field."""
        node = self.node.follow(path)
        return SpecError([Diagnostic(node.place, node.hidden(message))])


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits(Record):
    """The most that is taken: `body`, `url` and `headers` in bytes, `instances` in one request to a model.

    `concurrent` is how many requests to a route with a model or an input a worker has in hand at once. A body may take
    `body_time` seconds and must arrive at `body_rate` bytes a second, an answer must be read at `response_rate`; one
    address may have so many `connections`, any number where that is None.
    """

    body: int = 1024 * 1024
    url: int = 8 * 1024
    headers: int = 64 * 1024
    instances: int = 10_000
    concurrent: int = 256
    body_time: float = 30.0
    body_rate: int = 1024
    response_rate: int = 1024
    connections: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth(Record):
    """The API keys: each one's name and SHA-256 digest; `required` where a route says nothing else."""

    keys: tuple[tuple[str, bytes], ...] = field(repr=False)
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Cors(Record):
    """Which pages of other origins may ask and read the answer; `max_age` in seconds."""

    origins: tuple[str, ...]
    headers: tuple[str, ...] = ()
    expose: tuple[str, ...] = ()
    credentials: bool = False
    max_age: int = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit(Record):
    """So many requests in so many seconds."""

    requests: int
    seconds: int

    def __str__(self) -> str:
        """Write the rate as a spec has it."""
        units = {seconds: unit for unit, seconds in RATE_SECONDS.items()}
        return f"{self.requests}/{units[self.seconds]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates(Record):
    """Where rates are counted, `memory` or the URL of a Redis server, and what follows when that fails."""

    storage: str = field(default="memory", repr=False)
    on_storage_failure: Literal["allow", "refuse"] = "allow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service(Record):
    """What holds for the service as a whole.

    `allowed` names the keys that may ask where a route says nothing else, None where nobody needs one; `proxies` is
    how many proxies stand in front and write down the client's address. `base_path` begins the paths of all requests
    that come through a proxy that does not remove it; it is empty, or begins with a slash and does not end with one.
    """

    title: str = "Service"
    version: str = "0.0.0"
    description: str = ""
    errors: Literal["problem", "html"] = "problem"
    formats: Literal["check", "annotate"] = "check"
    limits: Limits
    auth: Auth | None = None
    allowed: tuple[str, ...] | None = None
    cors: Cors | None = None
    rate: RateLimit | None = None
    rates: Rates
    proxies: int = 0
    base_path: str = ""
    model_header: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Response(Record):
    """A fixed answer; `kind` names its body, and `content` is that body as the spec has it.

    `data` are the bytes of the file that a `file` names, as they were when the spec was read.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    kind: Literal["text", "html", "json", "file", "empty"] = "empty"
    content: Any = None
    data: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema(Record):
    """A JSON Schema 2020-12, checked: it compiles, and all its references resolve.

    With `formats`, the keyword `format` is checked. Of the properties `times`, a date-time may leave out its offset:
    they are columns of times, which may have been trained without one.
    """

    document: Any
    formats: bool = True
    times: frozenset[str] = frozenset()

    def validator(self) -> Validator:
        """Compile the schema to judge values by."""
        return Validator(self._with_local_times(), formats=self.formats)

    def of_property(self, name: str) -> Validator:
        """Compile the schema of one property, with all that it may refer to."""
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
    """A URL rule with its parameters' names, the methods it takes, and what answers.

    That is a `response`, a `model`, or something `built_in` that the engine adds. `allowed` names the API keys that
    may ask, None where nobody needs one. `sources` are the networks that see the status.
    """

    path: str
    parameters: tuple[str, ...] = ()
    methods: tuple[str, ...]
    response: Response | None = None
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

    @property
    def reads_body(self) -> bool:
        """Whether the route uses the request's body."""
        return self.model is not None or self.input is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Output(Record):
    """What an answer has beside `result`."""

    labels: tuple[str, ...] | None = None
    probabilities: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold(Record):
    """The probability from which a classifier of two classes answers the positive one: `positive`, else the second."""

    at_least: float
    positive: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch(Record):
    """How requests share a call of scikit-learn: at most `max_size` rows, after at most `max_wait_ms`."""

    max_size: int = 256
    max_wait_ms: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Example(Record):
    """An instance and the result it must get, which was the model's own answer if it is `recorded`."""

    input: Any
    result: Any
    recorded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin(Record):
    """What a model's file was when somebody trusted it, and what the model answered.

    `modules` are the SHA-256 of the modules beside models.yaml that the file refers to, by their paths.
    """

    sha256: str
    format: str
    libraries: Mapping[str, str]
    golden: tuple[Example, ...]
    modules: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model(Record):
    """A model file and the instances it takes; `lock_command` is what pins the file as it is.

    `folder` is where models.yaml stands, with the modules that the file refers to.
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
    response_method: ResponseMethod = "predict"
    reference: Path | None = None
    show_reference: bool = False
    batch: Batch
    runtime: Literal["auto", "sklearn", "numpy", "onnx", "native"] = "auto"
    timeout: float = 30.0
    trusted: tuple[str, ...] = ()
    allow_version_mismatch: bool = False
    pin: Pin | None = None
    lock_command: str = ""

    @property
    def shown_examples(self) -> tuple[Example, ...]:
        """The examples that clients may see; `init` records rows of the reference, which may be personal data."""
        is_open = self.reference is None or self.show_reference
        return tuple(example for example in self.examples if is_open or not example.recorded)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """Both files of a service; `folder` is where the routes' file stands.

    `routes` are those of the file, `built_in` those that the engine adds. `lock` is where
    `pins` are kept, also those of models that are not in the spec.
    """

    folder: Path
    service: Service
    routes: tuple[Route, ...]
    built_in: tuple[Route, ...]
    models: Mapping[str, Model]
    lock: Path | None = None
    pins: Mapping[str, Pin] = field(default_factory=dict)
    warnings: tuple[Diagnostic, ...] = ()
