"""What is known of a model before its first row is scored: its input, and the form of its answers."""

from __future__ import annotations

from dataclasses import dataclass

from engine.models import CompiledModel, Facts, PreparedModel
from engine.spec import FileModel, Model


@dataclass(frozen=True, slots=True)
class ScoredModel:
    """A model whose predictions are written: what its probabilities are called, and the form of one result.

    `count` is the number of items of an instance that is an array; models with an equal `key` answer the same.
    """

    model: Model
    keys: tuple[str, ...]
    lengths: tuple[int, ...]
    types: frozenset[str]
    count: int | None
    key: str

    @classmethod
    def of_file(cls, model: FileModel, prepared: PreparedModel) -> ScoredModel:
        """Describe a model with a file."""
        compiled, count = prepared.compiled, prepared.columns(model).count
        key = f"{prepared.key} {prepared.sha256}"
        return cls(model, compiled.wording.keys, compiled.lengths, compiled.result_types, count, key)

    @classmethod
    def of_composition(cls, model: Model, facts: Facts) -> ScoredModel:
        """Describe a model that asks others."""
        lengths = () if facts.result is None else facts.result.lengths
        types = CompiledModel.types_of(facts.result, facts.classes)
        return cls(model, facts.keys, lengths, types, None, facts.sha256)
