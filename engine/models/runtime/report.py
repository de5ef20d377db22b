"""The choice of a model's runtime, as data that `check` shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.spec import RuntimeName

Verdict = Literal["exact", "close", "wrong", "failed", "not proven"]


@dataclass(frozen=True, slots=True)
class Trial:
    """The result of trying one candidate.

    `verdict` is "exact" (bit for bit on every proof row), "close" (within the tolerances), "wrong", or "failed" (it
    could not be made). `worst` is the largest difference found; `reason` says why it is wrong or failed. `one_row` and
    `many_rows` are seconds for a call with 1 and with 1,000 rows.
    """

    candidate: str
    runtime: RuntimeName
    verdict: Verdict
    worst: float = 0.0
    reason: str = ""
    ties: int = 0
    one_row: float | None = None
    many_rows: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """The runtime that serves a model, and why.

    `candidate` names the one that was chosen, and `why` says why none was. `rows` were compared; `ties` more were left
    out, since scikit-learn's own best classes tie there; `nodes_reached` is the share of the trees' nodes that the rows
    passed, None if there are no trees. `one_row` and `many_rows` are scikit-learn's own seconds for 1 and for 1,000
    rows. `instead` says why this process uses another runtime than the chosen one, and is empty otherwise. `one_by_one`
    says why the rows of a batch are computed one by one, and is empty otherwise. `library` is the one whose answers and
    times the others were compared with: scikit-learn, or that of the estimator.
    """

    runtime: RuntimeName
    batch_runtime: RuntimeName | None = None
    batch_from: int = 0
    verdict: Verdict = "exact"
    candidate: str = ""
    why: str = ""
    rows: int = 0
    ties: int = 0
    refused: int = 0
    nodes_reached: float | None = None
    worst: float = 0.0
    speed_up_one: float = 1.0
    speed_up_many: float = 1.0
    one_row: float | None = None
    many_rows: float | None = None
    trials: tuple[Trial, ...] = ()
    instead: str = ""
    one_by_one: str = ""
    library: str = "scikit-learn"

    @property
    def is_compiled(self) -> bool:
        """Whether something else than scikit-learn serves."""
        return self.runtime != "sklearn"

    @property
    def seconds(self) -> float | None:
        """The seconds for one row with the serving runtime; None with scikit-learn, and if unknown."""
        timed = (trial.one_row for trial in self.trials if trial.runtime == self.runtime and trial.one_row)
        is_unknown = "sklearn" in (self.runtime, self.batch_runtime) or self.instead or self.one_by_one
        return None if is_unknown else max(timed, default=None)
