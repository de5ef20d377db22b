"""A model as a protocol asks it: instances that were read from any wire, judged by its input, then predicted."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from itertools import repeat

from engine.endpoints.instance_reader import Asked
from engine.endpoints.messages import Request
from engine.endpoints.prediction import Asking, require_finite
from engine.endpoints.problems import Problem, require_none, violations_problem
from engine.endpoints.protocols.sent import Sent
from engine.models import NOT_FINITE, Prediction, is_finite
from engine.schema import Budget, Violation
from engine.spec import Route


class WireModel:
    """Judges and predicts the instances of a protocol's requests, within the limits of its route."""

    def __init__(self, route: Route, asking: Asking) -> None:
        self.asking = asking
        self.model, self.facts = asking.model, asking.facts
        self.schema = asking.model.input.instance
        self._most = route.limits.instances
        self._validator = asking.model.input.validator()

    def predict(self, sent: Sent, request: Request, size: int) -> Prediction:
        """Predict for instances that were read from `size` bytes.

        Raises `Problem` 422 for instances that the model's input does not allow, at their places in the body, 400
        without any, and 422 for more than the route allows.
        """
        instances, size = sent.instances, size + sent.added
        self.require_count(len(instances))
        if self.is_costly(size) or sent.broken or not all(map(self._validator.is_valid, instances)):
            budget = self._validator.budget(request.paid(size))
            require_none(self._violations(sent, budget), budget)

        def place(violation: Violation, _: Asked, row: int) -> Violation:
            return sent.told(row, violation)

        asked = Asked(list(instances), is_batch=True, size=size)
        prediction = self.asking.ask(asked, place)
        try:
            require_finite(prediction, asked)
        except Problem:
            answers = zip(prediction.result, prediction.probabilities or repeat(None), strict=False)
            odd = (row for row, parts in enumerate(answers) if not is_finite(parts))
            raise violations_problem(sent.told(row, Violation((), NOT_FINITE, "", ())) for row in odd) from None
        return prediction

    def require_count(self, count: int) -> None:
        """Raise `Problem` 400 for no instances, and 422 for more than the route allows."""
        if not count:
            raise Problem(HTTPStatus.BAD_REQUEST, "there are no instances; send at least 1")
        if count > self._most:
            detail = f"there are {count:,} instances; at most {self._most:,} are allowed"
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail)

    def is_costly(self, size: int) -> bool:
        """Whether instances of so many bytes are judged only within a budget."""
        return size > self._validator.safe_size

    def _violations(self, sent: Sent, budget: Budget) -> Iterator[Violation]:
        broken = sent.broken
        for row, instance in enumerate(sent.instances):
            if row in broken:
                yield sent.told(row, Violation((), broken[row], "", ()))
                continue
            for violation in self._validator.violations(instance, (), budget):
                yield sent.told(row, violation)
