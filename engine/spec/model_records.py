"""Models with their schemas as frozen records. Field names are the YAML's keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from engine.schema import LOCAL_TIME, InstanceSchema, Validator
from engine.spec.choices import RESPONSE_METHODS, ResponseMethodName, RuntimeName
from engine.spec.model_folders.folder_records import ModelFolder
from engine.spec.service_records import Record


@dataclass(frozen=True, kw_only=True)  # without slots, to keep what is cached; only fields are pickled
class Schema(Record):
    """A JSON Schema 2020-12, checked: it compiles, and all its references resolve.

    With `formats`, the keyword `format` is checked. In the properties `times`, a date-time may leave out its offset:
    they are columns of times, which may have been trained without one. `name` is that of the schema in a file to which
    this one only refers.
    """

    document: Any
    name: str = ""
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
class Scale(Record):
    """A deployment of a model's own in a cluster: `min` to `max` replicas, each of which occupies `cpus`.

    `target` is how many requests a replica should have in progress.
    """

    min: int = 1
    max: int = 1
    target: int = 16
    cpus: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Example(Record):
    """An instance and its expected result, which was the model's own answer if it is `recorded`.

    `label` is that of the result; `probabilities` are what a stand-in answers.
    """

    input: Any
    result: Any
    recorded: bool = False
    label: str | None = None
    probabilities: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin(Record):
    """A model's file at the time when it was trusted, and the model's answers.

    `modules` are the SHA-256 of the other files that it needs, by their paths: modules beside models.yaml, or those
    with the data of a graph. `entry` is what
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
    """A model as routes see it: its input, and what it answers; it has a file, or is composed of other models.

    `folder` is the folder of models.yaml. `lock_command` is the command that pins its file as it is, if it has one.
    """

    name: str
    folder: Path
    description: str = ""
    input: Schema
    dtypes: Mapping[str, str] = field(default_factory=dict)
    output: Output
    threshold: Threshold | None = None
    examples: tuple[Example, ...] = ()
    lock_command: str = ""

    @property
    def shown_examples(self) -> tuple[Example, ...]:
        """The examples that clients may see."""
        return self.examples

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the models that this one asks."""
        return ()

    @property
    def file_model(self) -> FileModel | None:
        """The model of this entry's own file, None if it has none."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed(Record):
    """A feature that another model computes: its `name`, that model, and what is taken from its answer.

    That is `result`, `label` or, with a class, `probability`.
    """

    name: str
    model: str
    take: Literal["result", "label", "probability"]
    of_class: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileModel(Model):
    """A model file and its input. Modules that the file refers to are in the `folder`.

    Of a graph, `graph_outputs` are the names of the outputs that have the answers of response methods.
    If the entry names a `model_folder`, `file` is the one in it that contains the model.

    Of a chain, `computed` are the features that are not in its instances; the input is complete once the models that
    compute them are known.
    """

    file: Path
    model_folder: ModelFolder | None = None
    features: tuple[str, ...] | None = None
    computed: tuple[Computed, ...] = ()
    rows: Literal["auto", "array", "table", "mappings"] = "auto"
    response_method: ResponseMethodName = "predict"
    graph_outputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    reference: Path | None = None
    show_reference: bool = False
    batch: Batch
    runtime: Literal["auto"] | RuntimeName = "auto"
    timeout: float = 30.0
    scale: Scale | None = None
    trusted: tuple[str, ...] = ()
    allow_version_mismatch: bool = False
    pin: Pin | None = None

    @property
    def modules_folder(self) -> Path:
        """The folder of the modules that the file refers to: that of models.yaml, or the one in the model's folder."""
        inside = self.model_folder
        return self.folder if inside is None or inside.code is None else inside.path / inside.code

    @property
    def saved_with(self) -> Mapping[str, str]:
        """The versions of the libraries that wrote the model, by their distributions, if its folder says so."""
        return self.model_folder.versions if self.model_folder is not None else {}

    @property
    def answers_classes(self) -> bool:
        """Whether a classifier's results are its classes."""
        return RESPONSE_METHODS[self.response_method].answers_classes

    @property
    def shown_examples(self) -> tuple[Example, ...]:
        """The examples that clients may see; `init` records rows of the reference, which may be personal data."""
        is_open = self.reference is None or self.show_reference
        return tuple(example for example in self.examples if is_open or not example.recorded)

    @property
    def file_model(self) -> FileModel | None:
        """The model itself."""
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIn(Model):
    """A model whose `file` is not there yet; its examples, at least one, answer in its place.

    Its `scale` has no effect until there is a file.
    """

    file: Path
    scale: Scale | None = None
