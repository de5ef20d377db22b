"""Inference by the protocol: tensors in, judged as ever, predictions out."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus

from engine.batch.tensors.fitting import SentColumns, TensorFitter, UnfitTensors
from engine.batch.tensors.outputs import declared_outputs
from engine.batch.tensors.scoring import Answered, ColumnScorer
from engine.endpoints.messages import Headers, Request, Response
from engine.endpoints.prediction import Asking
from engine.endpoints.problems import Problem, overload_problem
from engine.endpoints.protocols.sent import ListedInstances, pointer_steps
from engine.endpoints.protocols.v2.infer_answer import AnswerWriter
from engine.endpoints.protocols.v2.infer_request import read_infer_request
from engine.endpoints.protocols.v2.versions import require_version
from engine.endpoints.protocols.wire_endpoint import WireEndpoint
from engine.errors import Overloaded
from engine.spec import Route


class V2Endpoint(WireEndpoint):
    """Answers `POST /v2/models/M/infer`, and the same with a version."""

    def __init__(self, route: Route, asking: Asking, headers: Headers) -> None:
        super().__init__(route, asking, headers)
        model, facts = asking.model, asking.facts
        self._facts = facts
        self._fitter = TensorFitter(model, facts)
        self._scorer = ColumnScorer(model, asking.predictor)
        said = {"model_name": model.name, "model_version": facts.hash}
        self._writer = AnswerWriter(declared_outputs(model, facts), said, headers)

    def answer(self, request: Request) -> Response:
        """Answer one request; raise `Problem` for what cannot be read or predicted."""
        require_version(request, self._facts)
        asked = read_infer_request(request)
        wanted = self._writer.wanted(asked)
        try:
            sent = self._fitter.fit(asked.tensors)
            self.model.require_count(sent.count)
            answered = self._by_columns(sent, len(request.body)) or self._by_instances(sent, request)
        except UnfitTensors as error:
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None
        return self._writer.write(answered, wanted, asked.id)

    def _by_columns(self, sent: SentColumns, size: int) -> Answered | None:
        """Predict for columns that are valid for certain, and that the model accepts."""
        rows = self._scorer.rows(sent, is_costly=self.model.is_costly(size))
        measured = partial(self.model.asking.measured, sent.count)
        try:
            return None if rows is None else self._scorer.answer(rows, sent.count, measured)
        except Overloaded as busy:
            raise overload_problem(busy) from None

    def _by_instances(self, sent: SentColumns, request: Request) -> Answered:
        """Judge and predict instance by instance, and say what is wrong with them."""
        instances = sent.instances(self.model.schema)
        size = len(request.body) + sent.count * sum(len(str(key)) + 4 for key in sent.columns)
        try:
            return Answered.of(self.model.predict(ListedInstances(instances, ()), request, size))
        except Problem as problem:
            is_array = self.model.schema.form == "array"
            problem.errors = [{**one, "pointer": _place(one["pointer"], is_array=is_array)} for one in problem.errors]
            raise


def _place(pointer: str, *, is_array: bool) -> str:
    """Say in words which cell a pointer `#/row/feature` leads to, since no place in a body of tensors has a name."""
    row, *rest = pointer_steps(pointer)
    return f"row {row}" + f", {'column ' * is_array}{'/'.join(rest)}" * bool(rest)
