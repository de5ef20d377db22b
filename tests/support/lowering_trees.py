"""An estimator of trees, compiled as a worker has it, with the table of its trees."""

from __future__ import annotations

from typing import Any

from engine.models.lowering.lower import lower_estimator
from engine.models.runtime.native_trees import NativeTrees, build_library
from engine.models.runtime.program import Program, dump_program, load_program
from engine.models.runtime.tree_table import TreeTable


def compiled(estimator: Any, columns: int | None = None, method: str = "predict") -> tuple[Program, TreeTable]:
    found: list[TreeTable] = []

    def walk(table: TreeTable) -> NativeTrees:
        found.append(table)
        return NativeTrees(table, build_library())

    chances = hasattr(estimator, "predict_proba")
    program = lower_estimator(estimator, method, walk, probabilities=chances, columns=columns)
    return load_program(dump_program(program)), found[0]
