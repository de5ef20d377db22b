"""The result of lowering: the steps to an estimator's scores, and from there to each of its methods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from engine.models.runtime import steps as s
from engine.models.runtime.tree_table import TreeTable

Steps = tuple[s.Step, ...]


class NotLowered(Exception):
    """There is no program for an estimator, or for one of its options."""


@dataclass(frozen=True, slots=True)
class Lowered:
    """A predictor's steps: `scores`, then those of each of its methods."""

    scores: Steps
    methods: Mapping[str, Steps]

    def way(self, method: str) -> Steps:
        """Return the steps from rows to a method's answer; raise `NotLowered`."""
        return (*self.scores, *self.rest(method))

    def rest(self, method: str) -> Steps:
        """Return the steps from the scores to a method's answer; raise `NotLowered`."""
        if method not in self.methods:
            raise NotLowered(f"no {method}")
        return self.methods[method]

    def column(self, method: str = "predict") -> Steps:
        """Return the steps to one column of a method's answer: the last, if there are several."""
        return (*self.way(method), s.LastColumn(), s.AsColumn())


class Lower(Protocol):
    """Lowers predictors, the members of an ensemble too."""

    def __call__(self, estimator: Any) -> Lowered:
        """Lower a fitted predictor, or a pipeline that ends in one; raise `NotLowered`."""

    def trees(self, table: TreeTable) -> s.Step:
        """Make the step that walks a tree ensemble."""
