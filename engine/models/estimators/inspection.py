"""Compare an estimator with its spec: its columns, its classes, and its methods."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from sklearn import base
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.validation import check_is_fitted

from engine.models.data.instances import Columns, TrainedInput, fit_columns
from engine.models.estimators.decidable import decision_for
from engine.models.estimators.estimator_parts import (
    count_of,
    first_of,
    is_foreign,
    last_of,
    names_of,
    numpy_function,
    parts_of,
)
from engine.models.estimators.sklearn_runtime import has_flat_classes
from engine.models.estimators.training_data import trained_on
from engine.models.runtime.class_names import Wording, key_of
from engine.models.runtime.threshold import Decision
from engine.schema import show
from engine.spec import RESPONSE_METHODS, FileModel
from engine.text import plural


@dataclass(frozen=True, slots=True)
class Inspected:
    """An estimator that matches its spec: its columns, and the names of its classes."""

    estimator: Any
    wanted: TrainedInput
    columns: Columns
    wording: Wording
    title: str
    kind: str
    decision: Decision | None = None

    def respond(self, model: FileModel) -> Callable[[Any], Any]:
        """Return a function that answers rows as the served model does: by the response method, or the decision."""
        decision = self.decision
        if decision is None:
            return cast("Callable[[Any], Any]", getattr(self.estimator, model.response_method))
        return lambda rows: decision(self.estimator.predict_proba(rows))


def inspect_estimator(model: FileModel, estimator: Any) -> Inspected:
    """Compare an estimator with its spec; raise `SpecError` at the key that does not match."""
    require_training(model, estimator)
    wanted = trained_on(model, estimator, wanted_by(estimator))
    fitting = fit_columns(model, wanted)
    _require_fitting_form(model, estimator, wanted, fitting)
    if fitting.form == "table" and importlib.util.find_spec("pandas") is None:
        raise model.error("the model selects its columns by name and needs pandas: pip install pandas", "file")
    classes = None if answers_in_rows(estimator, wanted) else classes_of(model, estimator)
    _require_method(model, estimator)
    labels = _labels(model, estimator, classes)
    keys = labels or (tuple(map(key_of, classes)) if classes else ())
    wording, kind = Wording(classes, labels, keys), kind_of(estimator)
    decision = decision_for(model, estimator, wording, kind)
    return Inspected(estimator, wanted, fitting, wording, title_of(estimator), kind, decision)


def require_training(model: FileModel, estimator: Any) -> None:
    """Raise `SpecError` for an estimator of scikit-learn's own that was never fitted.

    A user's own class may keep its learnt attributes under any name.
    """
    if is_foreign(last_of(estimator)):
        return
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        message = f"the {type(estimator).__name__} in the file is not trained; call fit before you save it"
        raise model.error(message, "file") from None


def _require_fitting_form(model: FileModel, estimator: Any, wanted: TrainedInput, fitting: Columns) -> None:
    first = first_of(estimator)
    if hasattr(first, "build_analyzer") and fitting.form != "texts":
        message = f"the model begins with a {type(first).__name__}, which takes texts; its input is of type string"
        raise model.error(message, "input", "type")
    if wanted.by_name and fitting.form == "array":
        if fitting.names:
            raise model.error("the model selects its columns by name, which an array does not have", "rows")
        raise model.error("the model selects its columns by name; its input is of type object", "input", "type")


def answers_in_rows(estimator: Any, wanted: TrainedInput) -> bool:
    """Return whether a classifier predicts several classes at once, as one trained on an indicator matrix does."""
    if not is_classifier(estimator) or not wanted.count or wanted.by_name:
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer = np.asarray(estimator.predict(np.zeros((1, wanted.count))))
            return answer.ndim > 1 and not (answer.shape[1] == 1 and has_flat_classes(estimator))
    except Exception:  # noqa: BLE001 - an estimator may raise anything, and will be asked again
        return False


def wanted_by(estimator: Any) -> TrainedInput:
    """Say what an estimator was trained on."""
    names = names_of(estimator)
    return TrainedInput(
        count=count_of(estimator) or (len(names) if names is not None else None),
        names=names,
        by_name=names is not None and any(map(_selects_by_name, parts_of(estimator))),
        none=any(None in list(known) for part in parts_of(estimator) for known in getattr(part, "categories_", ())),
    )


def _selects_by_name(part: Any) -> bool:
    if isinstance(part, FunctionTransformer):
        return part.func is not None and numpy_function(part.func) is None
    return is_foreign(part) or isinstance(part, ColumnTransformer)


def classes_of(model: FileModel, estimator: Any) -> tuple[Any, ...] | None:
    """Return a classifier's classes as JSON values; raise `SpecError` for values that JSON does not have."""
    if not is_classifier(estimator):
        return None
    if not has_flat_classes(estimator):
        return None
    classes = estimator.classes_
    listed = tuple(np.asarray(classes).tolist())
    odd = next((value for value in listed if not isinstance(value, str | int | float | bool)), None)
    if odd is not None:
        raise model.error(
            f"the model's class {odd!r} is of type {type(odd).__name__}, which JSON does not have; "
            "train it with classes that are numbers, strings or booleans",
            "file",
        )
    return listed


def _require_method(model: FileModel, estimator: Any) -> None:
    wanted = [model.response_method] + ["predict_proba"] * model.output.probabilities
    for method in wanted:
        if hasattr(estimator, method):
            continue
        has = ", ".join(name for name in RESPONSE_METHODS if hasattr(estimator, name))
        others = f"it has: {has}" if has else "nor any other to answer by"
        message = f"{type(estimator).__name__} has no {method} ({others})"
        if method == "predict_proba" and model.output.probabilities:
            raise model.error(f"{message}, so it gives no probabilities", "output", "probabilities")
        raise model.error(message, *(("response_method",) if "response_method" in model.node else ("file",)))


def _labels(model: FileModel, estimator: Any, classes: tuple[Any, ...] | None) -> tuple[str, ...] | None:
    """Check labels and probabilities against the classes; raise `SpecError` if they do not match."""
    output = model.output
    for key, wanted in (("labels", output.labels is not None), ("probabilities", output.probabilities)):
        if wanted and classes is None:
            what = "predicts several outputs" if is_classifier(estimator) else "is not a classifier"
            raise model.error(f"{type(estimator).__name__} {what}, so it has no {key}", "output", key)
    if output.labels is None or classes is None:
        return None
    if len(output.labels) != len(classes):
        found = f"{plural(len(output.labels), 'label')} for {len(classes)} classes ({', '.join(map(show, classes))})"
        raise model.error(f"{found}; name each class once, in this order", "output", "labels")
    if not model.answers_classes:
        message = f"labels name the results of predict, but the response_method is {model.response_method}"
        raise model.error(message, "output", "labels")
    return output.labels


def title_of(estimator: Any) -> str:
    """Name an estimator's class, a pipeline's steps and a search's winner in brackets."""
    if isinstance(estimator, str):  # a pipeline's "passthrough"
        return estimator
    inner = [step for _, step in estimator.steps] if isinstance(estimator, Pipeline) else []
    inner += [estimator.best_estimator_] if hasattr(estimator, "best_estimator_") else []
    name = type(estimator).__name__
    return f"{name}({', '.join(map(title_of, inner))})" if inner else name


def is_classifier(estimator: Any) -> bool:
    """Return whether an estimator is a classifier, by its tags or, if it is not scikit-learn's, by its classes."""
    try:
        is_one = bool(base.is_classifier(estimator))
    except Exception:  # noqa: BLE001 - it has no tags, or wrong ones
        is_one = False
    return is_one or (is_foreign(estimator) and has_flat_classes(estimator) and hasattr(estimator, "predict"))


_KINDS: Mapping[str, Any] = {
    "regressor": base.is_regressor,
    "clusterer": base.is_clusterer,
    "outlier detector": base.is_outlier_detector,
}


def kind_of(estimator: Any) -> str:
    """Name the kind of an estimator."""
    if is_classifier(estimator):
        return "classifier"
    try:
        return next((kind for kind, is_kind in _KINDS.items() if is_kind(estimator)), "transformer")
    except Exception:  # noqa: BLE001 - it has no tags, or wrong ones
        return "estimator"
