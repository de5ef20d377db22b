"""The tree ensemble in an estimator's program, and the steps before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine.models.runtime import steps as s
from engine.models.runtime.program import Program
from engine.models.runtime.tree_table import TreeTable


@dataclass(frozen=True, slots=True)
class TreeEnsemble:
    """A tree ensemble inside a program, with the steps that lead to it."""

    before: tuple[s.Step, ...]
    table: TreeTable


def find_walk(
    lowered: Callable[[Callable[[TreeTable], s.Step]], Program],
) -> tuple[list[TreeTable], TreeEnsemble | None]:
    """Find the trees in a model, and the steps before them, if it is one ensemble with just one way to it."""
    found: list[TreeTable] = []
    marker = s.Pick(-1)

    def record(table: TreeTable) -> s.Step:
        found.append(table)
        return marker

    try:
        program = lowered(record)
    except Exception:  # noqa: BLE001 - the trial reports what cannot be lowered
        return [], None
    if len(found) != 1 or marker not in program.scores:
        return found, None
    return found, TreeEnsemble(program.scores[: program.scores.index(marker)], found[0])
