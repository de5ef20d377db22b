"""Tree ensembles as plain arrays, from which every runtime of trees is made."""

from __future__ import annotations

import numpy as np

from engine.models.data.array import Array
from engine.models.runtime.saved import saved_step

NODE = np.dtype([("threshold", "f8"), ("feature", "i4"), ("left", "i4")])


_WALKS = 250_000  # at a time, which bounds the memory


@saved_step
class TreeTable:
    """All trees of an ensemble in one set of arrays, indexed by node.

    `nodes` has `threshold`, `feature` and `left`, the right child following the left one; a leaf is its own
    `left` with the threshold infinity. `missing_right` is 1 where NaN goes to the right. `roots` are the trees'
    first nodes in the order of their sum, `leaves` the row of `values` of each node that is a leaf, and
    `values` has a column for each output. `width` is the number of features. With `single`, each sum is rounded to
    float32.
    """

    nodes: Array
    missing_right: Array
    roots: Array
    leaves: Array
    values: Array
    width: int
    single: bool = False

    def differs_from(self, other: TreeTable) -> str:
        """Describe the first difference from another table, bit for bit; empty if there is none."""
        for name in ("nodes", "missing_right", "roots", "leaves", "values"):
            ours, theirs = getattr(self, name), getattr(other, name)
            if ours.dtype != theirs.dtype or ours.shape != theirs.shape or ours.tobytes() != theirs.tobytes():
                return name
        return next((name for name in ("width", "single") if getattr(self, name) != getattr(other, name)), "")

    def sum_leaves(self, rows: Array) -> Array:
        """Sum the leaves of each row by numpy, as trees.c does: float64 of shape (rows, outputs)."""
        sums = np.zeros((len(rows), self.values.shape[1]))
        some = max(1, _WALKS // len(self.roots))
        for begin in range(0, len(rows), some):
            part = sums[begin : begin + some]
            for leaves in self._leaves_of(rows[begin : begin + some]).T:  # in the order of the trees
                part += self.values[leaves]
                if self.single:
                    part[:] = part.astype(np.float32)
        return sums

    def _leaves_of(self, rows: Array) -> Array:
        """Find the row of `values` that each tree reaches for each row: of shape (rows, trees)."""
        at = np.tile(self.roots, (len(rows), 1))
        every = np.arange(len(rows))[:, None]
        while True:
            nodes = self.nodes[at]
            cells = rows[every, nodes["feature"]]
            right = np.where(np.isnan(cells), self.missing_right[at], ~(cells <= nodes["threshold"]))
            reached = nodes["left"] + right
            if (reached == at).all():
                computed: Array = self.leaves[at]
                return computed
            at = reached

    @property
    def is_leaf(self) -> Array:
        computed: Array = self.nodes["left"] == np.arange(len(self.nodes))
        return computed
