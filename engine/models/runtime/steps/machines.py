"""Steps of kernel machines and of mixtures."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from engine.models.data.array import Array
from engine.models.runtime.saved import saved_step

KERNEL_CELLS = 2_000_000


@saved_step
class Kernel:
    """Return a kernel's value for each row with each of some `vectors`: of shape (rows, vectors)."""

    kind: str
    vectors: Array
    gamma: float
    shift: float
    degree: float

    def __call__(self, rows: Array) -> Array:
        if self.kind == "rbf":
            return np.exp(-self.gamma * self._distances(rows))
        products = rows @ self.vectors.T
        if self.kind == "linear":
            return products
        inner = self.gamma * products + self.shift
        return inner**self.degree if self.kind == "poly" else np.tanh(inner)

    def _distances(self, rows: Array) -> Array:
        """Square the distances from the differences, some rows at a time."""
        some = max(1, KERNEL_CELLS // self.vectors.size)
        found = np.empty((len(rows), len(self.vectors)))
        for begin in range(0, len(rows), some):
            apart = rows[begin : begin + some, None, :] - self.vectors
            np.einsum("rvf,rvf->rv", apart, apart, out=found[begin : begin + some])
        return found


@saved_step
class OneVsOne:
    """Count the votes of machines that each distinguish two classes: of shape (rows, classes).

    With `confident`, votes for the second class of a pair are those below 0, and the sums of the confidences break
    ties, as in scikit-learn's decision function; without, they are those not above 0, as libsvm counts for its
    predictions.
    """

    classes: int
    confident: bool

    def __call__(self, rows: Array) -> Array:
        votes = np.zeros((len(rows), self.classes))
        sums = np.zeros((len(rows), self.classes))
        pairs = combinations(range(self.classes), 2)
        for column, (one, other) in zip(rows.T, pairs, strict=True):
            second = column < 0 if self.confident else ~(column > 0)
            votes[:, one] += ~second
            votes[:, other] += second
            sums[:, one] += column
            sums[:, other] -= column
        return votes + sums / (3 * (np.abs(sums) + 1)) if self.confident else votes


@saved_step
class Distances:
    """Square the distance of each row from each component of a mixture, in that component's own directions.

    `factors` has a matrix for each component, and `centres` its mean multiplied by that: (components, features).
    """

    factors: tuple[Array, ...]
    centres: Array

    def __call__(self, rows: Array) -> Array:
        """Compute: of shape (rows, components)."""
        found = np.empty((len(rows), len(self.factors)))
        for place, (factor, centre) in enumerate(zip(self.factors, self.centres, strict=True)):
            found[:, place] = np.square(rows @ factor - centre).sum(axis=1)
        return found


@saved_step
class NormalScores:
    """Return the logarithm of each row's density in each class, whose columns are independent and normal.

    `means` and `variances` are of shape (classes, features); `offsets` and `priors` have a number for each class.
    """

    means: Array
    variances: Array
    offsets: Array
    priors: Array

    def __call__(self, rows: Array) -> Array:
        """Compute: of shape (rows, classes)."""
        found = np.empty((len(rows), len(self.means)))
        for place, (mean, variance) in enumerate(zip(self.means, self.variances, strict=True)):
            density = self.offsets[place] - 0.5 * (((rows - mean) ** 2) / variance).sum(axis=1)
            found[:, place] = self.priors[place] + density
        return found


@saved_step
class AxisDistances:
    """Square the distance of each row from each component of a mixture, along the axes.

    The square of the difference is multiplied out: `constants` has a number for each component, `products` and
    `squares` one for each feature and component.
    """

    constants: Array
    products: Array
    squares: Array

    def __call__(self, rows: Array) -> Array:
        """Compute: of shape (rows, components)."""
        computed: Array = self.constants - 2.0 * (rows @ self.products) + rows**2 @ self.squares
        return computed
