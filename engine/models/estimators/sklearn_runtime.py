"""The runtime that every model has: scikit-learn's own estimator, called in its own terms."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.exceptions import NotFittedError

from engine.errors import SpecError
from engine.models.data.dtypes import as_taken
from engine.models.estimators.refused_column import blamed_column
from engine.models.runtime.answer import Answer, Refusal
from engine.models.runtime.threshold import Decision
from engine.schema import clip
from engine.spec import RESPONSE_METHODS, ResponseMethodName

_NUMERICAL_LIBRARIES = ("joblib", "numpy", "pandas", "scipy")


class SklearnRuntime:
    """Answers by an estimator's response method, with probabilities if the spec has them.

    With a `decision`, that chooses the class from the probabilities.
    """

    def __init__(
        self,
        estimator: Any,
        response_method: ResponseMethodName,
        *,
        probabilities: bool,
        decision: Decision | None = None,
    ) -> None:
        # A row of numbers has no column names; these are checked once, when the spec is compiled.
        warnings.filterwarnings("ignore", "X does not have valid feature names", UserWarning)
        self._estimator = estimator
        self._respond = getattr(estimator, response_method)
        self._flat = RESPONSE_METHODS[response_method].answers_classes and has_flat_classes(estimator)
        self._probabilities = probabilities
        self._decision = decision

    def __call__(self, rows: Any) -> Answer:
        """Answer; raise `Refusal` for rows that scikit-learn refuses."""
        try:
            rows = as_taken(rows)
            with np.errstate(over="ignore", invalid="ignore"):  # scikit-learn checks for infinity after its casts
                needs_chances = self._probabilities or self._decision is not None
                chances = self._estimator.predict_proba(rows) if needs_chances else None
                if self._decision is None:
                    answer = _listed(self._respond(rows), flat=self._flat)
                else:
                    answer = self._decision(chances).tolist()
        except (ValueError, TypeError) as error:
            if not _is_refusal(error):
                raise
            raise Refusal(clip(str(error).strip().partition("\n")[0], 300), blamed_column(error)) from error
        return Answer(answer, np.asarray(chances).tolist() if self._probabilities else None)


def _listed(answer: Any, *, flat: bool) -> list[Any]:
    """Turn an estimator's answer into JSON values, one for each instance; a single column is one value if `flat`."""
    if isinstance(answer, list) and all(np.ndim(output) for output in answer):  # an array for each output
        return [list(entry) for entry in zip(*(np.asarray(output).tolist() for output in answer), strict=True)]
    if sparse.issparse(answer):
        answer = answer.toarray()
    array = np.asarray(answer)
    if flat and array.ndim == 2 and array.shape[1] == 1:  # noqa: PLR2004
        array = array[:, 0]
    values: list[Any] = array.tolist()
    return values


def _is_refusal(error: Exception) -> bool:
    """Return whether scikit-learn refused its input: it, or a library it called, raised the error itself."""
    if isinstance(error, NotFittedError | SpecError):
        return False
    module = ""
    trace = error.__traceback__
    while trace is not None:
        name: str = trace.tb_frame.f_globals.get("__name__", "")
        if name.partition(".")[0] not in _NUMERICAL_LIBRARIES:
            module = name
        trace = trace.tb_next
    return module.startswith("sklearn.")


def has_flat_classes(estimator: Any) -> bool:
    """Return whether an estimator has the classes of a single output."""
    classes = getattr(estimator, "classes_", None)
    return classes is not None and not isinstance(classes, list) and np.ndim(classes) == 1 and len(classes) > 0
