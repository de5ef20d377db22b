"""Instances that were read from a body, and where each of their parts is in it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote

from engine.schema import Path, Violation


@dataclass(frozen=True, slots=True)
class Sent(ABC):
    """Instances, in the order in which they are answered; `broken` says what is wrong with rows that are none.

    `added` are the bytes of the names that instances have and the body has not, or only once.
    """

    instances: Sequence[Any]
    broken: Mapping[int, str] = field(default_factory=dict, kw_only=True)
    added: int = field(default=0, kw_only=True)

    @abstractmethod
    def told(self, row: int, violation: Violation) -> Violation:
        """Return a violation, whose path starts from the instance of a row, at its place in the body."""


@dataclass(frozen=True, slots=True)
class ListedInstances(Sent):
    """A list of instances at a place; `nested` are the rows where each is in a list of its own.

    `places` says for a row where its features are in the body, if not at their own names.
    """

    at: Path
    nested: frozenset[int] = frozenset()
    places: Mapping[int, Mapping[Any, Any]] = field(default_factory=dict)

    def told(self, row: int, violation: Violation) -> Violation:
        """Return a violation at its place in the body."""
        path = violation.path
        if path and row in self.places:
            path = (self.places[row].get(path[0], path[0]), *path[1:])
        return replace(violation, path=(*self.at, row, *(0,) * (row in self.nested), *path))


@dataclass(frozen=True, slots=True)
class LoneInstance(Sent):
    """One instance that is itself at a place."""

    at: Path

    def told(self, row: int, violation: Violation) -> Violation:  # noqa: ARG002 - the shape of all
        """Return a violation at its place in the body."""
        return replace(violation, path=(*self.at, *violation.path))


@dataclass(frozen=True, slots=True)
class ColumnInstances(Sent):
    """Instances of which each column is a list at its name; `nested` are the cells that are in a list of their own."""

    at: Path
    nested: frozenset[tuple[str, int]] = frozenset()

    def told(self, row: int, violation: Violation) -> Violation:
        """Return a violation at its place in the body; that of a whole instance has none but in words."""
        if not violation.path:
            return replace(violation, path=self.at, verdict=f"instance {row}: {violation.verdict}")
        name, *rest = violation.path
        inner = (0,) * ((str(name), row) in self.nested)
        return replace(violation, path=(*self.at, name, row, *inner, *rest))


@dataclass(frozen=True, slots=True)
class LineInstances(Sent):
    """Instances of a CSV, with the line on which each begins."""

    lines: Sequence[int]

    def told(self, row: int, violation: Violation) -> Violation:
        """Return a violation at its line."""
        return replace(violation, path=(self.lines[row], *violation.path))


def pointer_steps(pointer: str) -> list[str]:
    """Return the steps of a JSON pointer that is written as a URI fragment."""
    return [unquote(part).replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
