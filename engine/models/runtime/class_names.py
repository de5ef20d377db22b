"""The names of a classifier's classes in answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.schema import show


@dataclass(frozen=True, slots=True)
class Wording:
    """The names of classes in an answer: `labels`, if the spec has them, and the keys of probabilities."""

    classes: tuple[Any, ...] | None
    labels: tuple[str, ...] | None
    keys: tuple[str, ...]

    @classmethod
    def restored(cls, facts: Mapping[str, Any]) -> Wording:
        """Make the record from its JSON form."""
        classes, labels = (None if values is None else tuple(values) for values in (facts["classes"], facts["labels"]))
        return cls(classes, labels, tuple(facts["keys"]))

    def label_by_class(self) -> Mapping[Any, str]:
        """Return each class's label, if there are labels."""
        return dict(zip(self.classes or (), self.labels or (), strict=True)) if self.labels else {}


def key_of(label: Any) -> str:
    """Write a class as the key of its probability."""
    return label if isinstance(label, str) else show(label)
