"""Models that are composed of other models, as frozen records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from engine.spec.model_records import Example, FileModel, Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Composition(Model):
    """A model that asks others, its `parts`; an instance is what its own input declares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain(Composition):
    """A model file some of whose features other models compute; `own` is the model of that file."""

    own: FileModel

    @property
    def is_complete(self) -> bool:
        """Whether the input of the own file has the computed features."""
        properties = self.own.input.instance.properties
        return all(one.name in properties for one in self.own.computed)

    @property
    def parts(self) -> tuple[str, ...]:
        """The models that compute features, each once."""
        return tuple(dict.fromkeys(one.model for one in self.own.computed))

    @property
    def file_model(self) -> FileModel | None:
        """The model of the chain's own file, which takes the computed features too."""
        return self.own

    @property
    def shown_examples(self) -> tuple[Example, ...]:
        """The examples that clients may see, as of a model with only a file."""
        return replace(self.own, examples=self.examples).shown_examples


@dataclass(frozen=True, slots=True, kw_only=True)
class Average(Composition):
    """The weighted mean of the probabilities, or of the numbers, that several models answer."""

    weights: Mapping[str, float]

    @property
    def parts(self) -> tuple[str, ...]:
        """The models, in the order of the entry."""
        return tuple(self.weights)


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch(Composition):
    """One of several models, by the value of a feature: `to` has pairs of a value and a model's name."""

    feature: str
    to: tuple[tuple[Any, str], ...]
    otherwise: str | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        """The models, each once."""
        otherwise = () if self.otherwise is None else (self.otherwise,)
        return tuple(dict.fromkeys((*(model for _, model in self.to), *otherwise)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Composition):
    """The rows of a CSV, of which a model predicts the one with a key; `data` is the file when the spec was read."""

    file: Path
    key: str
    model: str
    data: bytes = field(default=b"", repr=False)

    @property
    def parts(self) -> tuple[str, ...]:
        """The model that predicts the rows."""
        return (self.model,)
