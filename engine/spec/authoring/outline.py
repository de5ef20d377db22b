"""What `init` finds out about a model for its entry in models.yaml: plain records, not yet YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from engine.diagnostics import Diagnostic, Place
from engine.errors import SpecError
from engine.spec.choices import ResponseMethodName
from engine.spec.model_folders.described_folder import NoModelFolder, read_folder
from engine.spec.model_folders.folder_records import ModelFolder
from engine.spec.model_records import Batch, FileModel, Output, Schema
from engine.spec.reading.node import Node
from engine.spec.reading.source import Source

MAX_TEXT = 10_000

Number = int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlinedFeature:
    """One column of a model's input.

    `kind` is its JSON type, None if it may be any. `choices` are the categories that the model's encoder knows, and
    with `ignores_others` it also accepts others, as none of them; `minimum` and `maximum` are those of its sample;
    `gaps` says that a value may be missing, with `is_optional` left out too, and `is_unused` that the model ignores the
    column. `padded` is a cell of the sample with leading zeros, if there is one. `has_dates` says that all texts of the
    sample are dates, `has_times` that all texts are dates with times, and `is_guess` that nothing is known of the type.
    `held` are the least and the largest integer that the model can take.
    """

    name: str
    kind: Literal["number", "integer", "boolean", "string"] | None = "number"
    choices: tuple[Any, ...] = ()
    ignores_others: bool = False
    minimum: Number | None = None
    maximum: Number | None = None
    gaps: bool = False
    is_unused: bool = False
    padded: str = ""
    has_dates: bool = False
    has_times: bool = False
    is_optional: bool = False
    is_guess: bool = False
    held: tuple[int, int] | None = None

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the feature; an unused feature may have any value."""
        if self.is_unused:
            return {}
        if self.choices:
            return {"enum": [*self.choices, *([None] if self.gaps else [])]}
        kinds = [self.kind] if self.kind is not None else ["number", "boolean", "string"]
        types = [*kinds, *(["null"] if self.gaps else [])]
        bounds = {} if self.held is None else dict(zip(("minimum", "maximum"), self.held, strict=True))
        written = {"format": "date"} if self.has_dates else {"format": "date-time"} if self.has_times else {}
        return {"type": types if len(types) > 1 else types[0], **written, **bounds}

    @property
    def may_be_absent(self) -> bool:
        """Whether an instance may leave it out."""
        return self.is_unused or (self.is_optional and self.gaps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A short description of a model's estimator, its instances and its answers.

    An instance is an object of `features`, an array of `count` numbers (any number if that is None), or a text.
    `named_by` is the source of the features' names: the model, its signature, its reference, or nobody. `classes` are
    those of a classifier that answers with one of them, and `has_threshold` says that it has a threshold of its own.
    `dtypes` are those that must be declared for the model. `example` is an instance and the model's own result for it.
    """

    title: str
    form: Literal["object", "array", "text"] = "object"
    features: tuple[OutlinedFeature, ...] = ()
    count: int | None = None
    named_by: Literal["model", "signature", "reference", "nobody"] = "model"
    response_method: ResponseMethodName = "predict"
    is_outlier_detector: bool = False
    classes: tuple[Any, ...] | None = None
    probabilities: bool = False
    has_threshold: bool = False
    dtypes: Mapping[str, str] = field(default_factory=dict)
    example: tuple[Any, Any] | None = None

    @property
    def schema(self) -> dict[str, Any]:
        if self.form == "text":
            return {"type": "string", "maxLength": MAX_TEXT}
        if self.form == "array":
            size = {} if self.count is None else {"minItems": self.count, "maxItems": self.count}
            return {"type": "array", **size, "items": {"type": "number"}}
        required = [feature.name for feature in self.features if not feature.may_be_absent]
        properties = {feature.name: feature.schema for feature in self.features}
        return {"type": "object", **({"required": required} if required else {}), "properties": properties}


def bare_model(
    file: Path, trusted: tuple[str, ...] = (), outline: Outline | None = None, reference: Path | None = None
) -> FileModel:
    """Make the record of a model that is in no spec: the place of its mistakes is just the file's name.

    Raises `SpecError` for a folder that is no model folder.
    """
    nowhere = Node(Source(str(file), ""), 0, 0, {})
    inside = _model_folder(file)
    return FileModel(
        node=nowhere,
        name=file.stem,
        folder=file.parent,
        file=file if inside is None else inside.path / inside.file,
        model_folder=inside,
        input=Schema(
            node=nowhere,
            document=outline.schema if outline is not None else {},
            times=frozenset(name for name, dtype in (outline.dtypes if outline else {}).items() if dtype == "datetime"),
        ),
        output=Output(node=nowhere),
        batch=Batch(node=nowhere),
        response_method=outline.response_method if outline is not None else "predict",
        trusted=trusted,
        dtypes=outline.dtypes if outline is not None else {},
        reference=reference,
    )


def in_other_file(model: FileModel, file: Path) -> FileModel:
    """Let a model have another file, or model folder, which no spec names; raise `SpecError` for any other folder."""
    bare = bare_model(file)
    return replace(model, name=str(file), file=bare.file, model_folder=bare.model_folder, pin=None)


def _model_folder(file: Path) -> ModelFolder | None:
    try:
        return read_folder(file)
    except NoModelFolder as error:
        raise SpecError([Diagnostic(Place(str(file)), f"this {error}")]) from None
