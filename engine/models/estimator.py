"""The runtime that every model has: scikit-learn's own estimator, asked in its own terms."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import sklearn
from scipy import sparse
from sklearn.base import is_classifier, is_clusterer, is_outlier_detector, is_regressor
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.validation import check_is_fitted

from engine.errors import RefusedInstance, SpecError, plural
from engine.models.artifacts import RESPONSE_METHODS, Artifact
from engine.models.instances import Columns, columns
from engine.models.predictor import Facts, Prediction
from engine.spec import Model
from engine.validation import clip, show

_NUMERICAL_LIBRARIES = ("joblib", "numpy", "pandas", "scipy")


class Estimator:
    """Answers by an estimator's response method, with labels and probabilities where the spec wants them."""

    def __init__(self, model: Model, artifact: Artifact) -> None:
        """Compare the spec with the estimator; raise `SpecError` at the key that does not fit it."""
        # A row of numbers goes in without its columns' names, which are checked here, once.
        warnings.filterwarnings("ignore", "X does not have valid feature names", UserWarning)
        estimator = artifact.estimator
        self._estimator = estimator
        self._columns = _columns(model, estimator)
        self._classes = _classes(model, estimator)
        _require_method(model, estimator)
        self._respond = getattr(estimator, model.response_method)
        self._labels = _labels(model, estimator, self._classes)
        self._keys = self._labels or (tuple(map(_key, self._classes)) if self._classes else ())
        self._with_labels = model.output.labels is not None
        self._with_probabilities = model.output.probabilities
        self.facts = Facts(
            name=model.name,
            file=str(model.file),
            bytes=artifact.bytes,
            estimator=_title(estimator),
            kind=_kind(estimator),
            response_method=model.response_method,
            features=self._columns.names or self._columns.count,
            classes=self._classes,
            trained_with=artifact.trained_with or sklearn.__version__,
            runtime="sklearn",
            examples=len(model.examples),
        )

    def __call__(self, instances: Sequence[Any]) -> Prediction:
        """Predict for instances that are valid by the schema; raise `RefusedInstance` for the first refused."""
        try:
            return self._predict(instances)
        except (ValueError, TypeError) as error:
            if not _is_refusal(error):
                raise
            refused = error
        row = self._first_refused(instances)
        if row is None:
            raise refused
        reason = clip(str(refused).strip().partition("\n")[0], 300)
        raise RefusedInstance(row, f"the model does not take this instance: {reason}") from refused

    def _predict(self, instances: Sequence[Any]) -> Prediction:
        rows = self._columns.convert(instances)
        with np.errstate(over="ignore", invalid="ignore"):  # scikit-learn checks for infinity after its casts
            return self._answer(rows)

    def _answer(self, rows: Any) -> Prediction:
        answer = self._respond(rows)
        labels = probabilities = None
        if self._with_labels and self._labels and self._classes:
            by_class = dict(zip(self._classes, self._labels, strict=True))
            labels = [by_class[result] for result in answer.tolist()]
        if self._with_probabilities:
            chances = self._estimator.predict_proba(rows).tolist()
            probabilities = [dict(zip(self._keys, row, strict=True)) for row in chances]
        return Prediction(_listed(answer), labels, probabilities)

    def _first_refused(self, instances: Sequence[Any]) -> int | None:
        """Search by halves for the first instance that is refused by itself."""
        low, high = 0, len(instances)
        while high - low > 1:
            middle = (low + high) // 2
            if self._takes(instances[low:middle]):
                low = middle
            else:
                high = middle
        return None if self._takes(instances[low:high]) else low

    def _takes(self, instances: Sequence[Any]) -> bool:
        try:
            self._predict(instances)
        except (ValueError, TypeError):
            return False
        return True


def _columns(model: Model, estimator: Any) -> Columns:
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        message = f"the {type(estimator).__name__} in the file is not trained; call fit before you save it"
        raise model.error(message, "file") from None
    except TypeError:  # an object that is no scikit-learn estimator cannot be asked
        pass
    names = getattr(estimator, "feature_names_in_", None)
    count = getattr(estimator, "n_features_in_", None)
    return columns(
        model,
        count=int(count) if count is not None else None,
        names=tuple(map(str, names)) if names is not None else None,
        wants_frame=names is not None and any(map(_selects_by_name, _parts(estimator))),
    )


def _parts(estimator: Any) -> Iterator[Any]:
    """Give an estimator and those inside it: a pipeline's steps, what a search or an ensemble wraps."""
    yield estimator
    if isinstance(estimator, Pipeline):
        inner = [step for _, step in estimator.steps]
    else:
        wrapped = (getattr(estimator, name, None) for name in ("best_estimator_", "estimator_", "estimators_"))
        inner = []
        for found in wrapped:
            inner += list(found)[:1] if isinstance(found, list | tuple) else [found]
    for part in inner:
        if hasattr(part, "get_params"):
            yield from _parts(part)


def _selects_by_name(part: Any) -> bool:
    foreign = not type(part).__module__.startswith("sklearn.")
    return foreign or isinstance(part, ColumnTransformer | FunctionTransformer)


def _classes(model: Model, estimator: Any) -> tuple[Any, ...] | None:
    if not is_classifier(estimator):
        return None
    classes = getattr(estimator, "classes_", None)
    if classes is None or isinstance(classes, list):
        return None
    listed = tuple(np.asarray(classes).tolist())
    odd = next((value for value in listed if not isinstance(value, str | int | float | bool)), None)
    if odd is not None:
        raise model.error(
            f"the model's class {odd!r} is of type {type(odd).__name__}, which JSON does not have; "
            "train it with classes that are numbers, strings or booleans",
            "file",
        )
    return listed


def _require_method(model: Model, estimator: Any) -> None:
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


def _labels(model: Model, estimator: Any, classes: tuple[Any, ...] | None) -> tuple[str, ...] | None:
    """Check labels and probabilities against the classes; raise `SpecError` where they do not fit."""
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
    if model.response_method != "predict":
        message = f"labels name what predict gives, and the response_method is {model.response_method}"
        raise model.error(message, "output", "labels")
    return output.labels


def _key(label: Any) -> str:
    """Write a class as the key of its probability."""
    return label if isinstance(label, str) else show(label)


def _listed(answer: Any) -> list[Any]:
    """Turn an estimator's answer into JSON values, one for each instance."""
    if isinstance(answer, list):  # a multi-output classifier gives one array for each output
        return [list(entry) for entry in zip(*(output.tolist() for output in answer), strict=True)]
    if sparse.issparse(answer):
        answer = answer.toarray()
    values: list[Any] = np.asarray(answer).tolist()
    return values


def _is_refusal(error: Exception) -> bool:
    """Tell whether scikit-learn refused its input: it, or a library it called, raised the error itself."""
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


def _title(estimator: Any) -> str:
    """Name an estimator's class, a pipeline's steps and a search's winner in brackets."""
    if isinstance(estimator, str):  # a pipeline's "passthrough"
        return estimator
    inner = [step for _, step in estimator.steps] if isinstance(estimator, Pipeline) else []
    inner += [estimator.best_estimator_] if hasattr(estimator, "best_estimator_") else []
    name = type(estimator).__name__
    return f"{name}({', '.join(map(_title, inner))})" if inner else name


_KINDS: Mapping[str, Any] = {
    "classifier": is_classifier,
    "regressor": is_regressor,
    "clusterer": is_clusterer,
    "outlier detector": is_outlier_detector,
}


def _kind(estimator: Any) -> str:
    return next((kind for kind, is_kind in _KINDS.items() if is_kind(estimator)), "transformer")
