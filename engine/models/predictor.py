"""The interface between models and the rest of the engine: how to ask a model, and the facts about it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, takewhile
from typing import Any, Protocol, cast

from engine.diagnostics import Diagnostic
from engine.errors import RefusedInstance
from engine.models.data.instances import Columns
from engine.models.runtime.answer import Answer, Foreign, Refusal, Runtime
from engine.models.runtime.blame import is_about_a_value
from engine.models.runtime.class_names import Wording
from engine.models.runtime.report import Report
from engine.schema import clip
from engine.spec import RESPONSE_METHODS, ResponseMethodName

MAX_NAMED = 10
SHOWN_DIGITS = 12
MAX_REFUSED = 100
LOOKING_SECONDS = 0.25
MAX_SAID = 300
STAND_IN = "stand-in"  # in place of the hash of a file that is not there yet
_LAST_COLUMN = re.compile(r"(.*)\bin column \d+", re.DOTALL)
_OF_A_GAP = re.compile(r"\b(nan|none|missing)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ResultForm:
    """The form of one result: lists of these lengths, the outermost first, of values of one JSON type.

    Without lengths, a result is a single value; `type` is empty if the values have several types.
    """

    lengths: tuple[int, ...]
    type: str


@dataclass(frozen=True, slots=True)
class Placement:
    """Whether a cluster computes a model in a deployment of its own, and why."""

    is_apart: bool
    why: str


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts about a model in `check` and the start-up lines.

    `estimator` names the class, a pipeline's steps in brackets; `features` are the columns' names, or their
    number where they have none, and `dtypes` those of a table's columns; `classes` are those of a classifier, and
    `keys` what its probabilities are called; `result` is the form of one result, None where that is not known;
    `largest` is the largest number that is taken in a column, None where that is not known; `trained_with` is the
    version of scikit-learn that saved the model; `report` is how its runtime was chosen, `warnings` are what people
    should know of the model, and `note` says why what was compiled before is not used. `threshold` is that of the
    spec, by the positive class's key. `loaded` is when the model was read, in seconds since 1970, and `rows` are the
    first of its reference, if these may be shown. `placement` says where a cluster computes a model that has a `scale`,
    and is None for any other. `is_stand_in` says that examples answer, here
    or in a part, `is_composed` that other models are asked, and `is_remote`
    that another process computes it, or a part.
    """

    name: str
    file: str
    bytes: int
    sha256: str
    estimator: str
    kind: str
    response_method: ResponseMethodName
    features: tuple[str, ...] | int | None
    classes: tuple[Any, ...] | None
    keys: tuple[str, ...]
    result: ResultForm | None
    largest: float | None
    trained_with: str
    examples: int
    report: Report
    note: str
    warnings: tuple[Diagnostic, ...] = ()
    dtypes: Mapping[str, str] = field(default_factory=dict)
    threshold: Mapping[str, float] = field(default_factory=dict)
    loaded: float = 0.0
    rows: tuple[Any, ...] = ()
    placement: Placement | None = None
    is_stand_in: bool = False
    is_composed: bool = False
    is_remote: bool = False

    @property
    def answers_classes(self) -> bool:
        """Whether results are the classes of a classifier."""
        return self.classes is not None and RESPONSE_METHODS[self.response_method].answers_classes

    @property
    def hash(self) -> str:
        """The beginning of the file's SHA-256, which identifies it in messages and answers."""
        return self.sha256[:SHOWN_DIGITS]


@dataclass(slots=True)  # a frozen one takes three times as long to make
class Prediction:
    """The answer for some instances: each list has one entry for each of them, in their order."""

    result: list[Any]
    labels: list[str] | None = None
    probabilities: list[dict[str, float]] | None = None


class Predictor(Protocol):
    """A model ready to answer; calls from several threads at once are fine."""

    @property
    def facts(self) -> Facts: ...

    def __call__(self, instances: Sequence[Any]) -> Prediction:
        """Predict for instances that are valid by the model's schema, at least one.

        Raises `RefusedInstance` for one that the estimator nevertheless does not accept.
        """

    def watch(self, observe: Callable[[int], None]) -> None:
        """Report the number of rows of every call of the model."""


class ModelPredictor:
    """Instances → rows → a runtime's answer → words; `good` is an instance that the model is known to answer."""

    def __init__(self, columns: Columns, runtime: Runtime, wording: Wording, facts: Facts, good: Any = None) -> None:
        self.columns = columns
        self.runtime = runtime
        self.good = good
        self._convert = columns.convert
        self._names = columns.names or ()
        self._observe: Callable[[int], None] | None = None
        self.wording = wording
        self._labels = wording.label_by_class()
        self._keys = wording.keys
        self.facts = facts

    def __call__(self, instances: Sequence[Any]) -> Prediction:
        """Predict for instances that are valid by the schema; raise `RefusedInstance` for those refused."""
        answer = self.answer(instances)
        labels = [self._labels[result] for result in answer.result] if self._labels else None
        if answer.probabilities is None:
            return Prediction(answer.result, labels)
        chances = [dict(zip(self._keys, row, strict=True)) for row in answer.probabilities]
        return Prediction(answer.result, labels, chances)

    def answer(self, instances: Sequence[Any]) -> Answer:
        """Predict as a call does, without words for the classes."""
        try:
            return self._answer(instances)
        except Refusal as refusal:
            deadline = time.monotonic() + LOOKING_SECONDS
            found = list(islice(self._refused(instances, 0, refusal, deadline), MAX_REFUSED + 1))
            is_in_time = len(instances) == 1 or time.monotonic() <= deadline
            if isinstance(refusal, Foreign) and not (found and self._is_answered(self.good)):
                raise cast("Exception", refusal.__cause__) from None
            are_all = len(found) <= MAX_REFUSED and is_in_time
            first, *others = found[:MAX_REFUSED] or [self._told(0, refusal, instances[0], deadline)]
            raise RefusedInstance(first.row, first.reason, others, key=first.key, are_all=are_all) from refusal

    def answer_rows(self, rows: Any, count: int) -> tuple[Any, Any]:
        """Answer rows that `columns.bulk` has made: the results and the probabilities, as arrays where that is quicker.

        Raises whatever the runtime does, for which `__call__` has the words.
        """
        if self._observe is not None:
            self._observe(count)
        if (arrays := getattr(self.runtime, "arrays", None)) is not None:
            result, chances = arrays(rows)
            return result, chances
        answer = self.runtime(rows)
        return answer.result, answer.probabilities

    def watch(self, observe: Callable[[int], None]) -> None:
        """Report the number of rows of every call of the model; a runtime with shared calls does so itself."""
        if (watch := getattr(self.runtime, "watch", None)) is not None:
            watch(observe)
        else:
            self._observe = observe

    def _answer(self, instances: Sequence[Any]) -> Answer:
        if self._observe is not None:
            self._observe(len(instances))
        rows = self._convert(instances)
        try:
            return self.runtime(rows)
        except (ValueError, OverflowError) as error:
            if self.good is None or not is_about_a_value(error):
                raise
            raise Foreign(clip(str(error).strip().partition("\n")[0], MAX_SAID)) from error

    def _is_answered(self, instance: Any) -> bool:
        """Return whether the model answers an instance."""
        try:
            self._answer([instance])
        except Exception:  # noqa: BLE001 - an estimator may raise anything
            return False
        return True

    def _told(self, row: int, refusal: Refusal, instance: Any, deadline: float) -> RefusedInstance:
        """Say why an instance is refused, with its features' names, and what it lacks if that may be the reason."""
        said, names = str(refusal), self._names if isinstance(instance, dict) else ()
        if blamed := self._blamed(refusal, instance, deadline):
            return RefusedInstance(row, f'the model rejected this instance: in "{blamed}": {said}', key=blamed)
        key: str | int | None = refusal.column if isinstance(instance, list) else None
        if names and refusal.column is not None:
            key = names[refusal.column]
            names = (key,)
            said = _LAST_COLUMN.sub(lambda before: f'{before[1]}in "{names[0]}"', said, count=1)
        elif not _OF_A_GAP.search(said):
            names = ()
        absent = [name for name in names if instance.get(name) is None]
        missing = f" (missing: {', '.join(absent[:MAX_NAMED])})" if absent else ""
        return RefusedInstance(row, f"the model rejected this instance: {said}{missing}", key=key)

    def _blamed(self, refusal: Refusal, instance: Any, deadline: float) -> str:
        """Find the feature whose value is refused, if the error names no column: the one that a good value repairs.

        Features whose text is in the message are tried first; scikit-learn's own refusals seldom mention any other.
        """
        if not isinstance(instance, dict) or self.good is None or refusal.column is not None:
            return ""
        said = str(refusal)
        quoted = [name for name in self._names if isinstance(cell := instance.get(name), str) and cell and cell in said]
        others = [name for name in self._names if name not in quoted] if isinstance(refusal, Foreign) else []
        for name in takewhile(lambda _: time.monotonic() <= deadline, (*quoted, *others)):
            mended = {key: cell for key, cell in instance.items() if key != name}
            mended |= {key: cell for key, cell in self.good.items() if key == name}
            if mended != instance and self._is_answered(mended):
                return name
        return ""

    def _refused(
        self, instances: Sequence[Any], row: int, refusal: Refusal, deadline: float
    ) -> Iterator[RefusedInstance]:
        """Yield refused instances, found by bisection; `row` is the first one's row. Time is limited after one."""
        if len(instances) == 1:
            yield self._told(row, refusal, instances[0], deadline)
            return
        middle, is_found = len(instances) // 2, False
        for begin, part in ((0, instances[:middle]), (middle, instances[middle:])):
            if is_found and time.monotonic() > deadline:
                return
            try:
                self._answer(part)
            except Refusal as refused:
                is_found = True
                yield from self._refused(part, row + begin, refused, deadline)
