"""A model that is asked within the spans of its requests, or without any."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from engine.endpoints.instance_reader import Asked
from engine.endpoints.monitoring.health import ServiceState
from engine.endpoints.monitoring.metrics import Meter
from engine.endpoints.prediction import Asking, Place
from engine.models import Prediction, Predictor
from engine.spec import Model

if TYPE_CHECKING:
    from engine.tracing.spans import Spans


def open_asking(model: Model, predictor: Predictor, process: ServiceState) -> Asking:
    """Make what asks a model in a process, with spans if it is traced."""
    if process.spans is None:
        return Asking(model, predictor, process.meter)
    return TracedAsking(model, predictor, process.meter, process.spans)


class TracedAsking(Asking):
    """Asks a model, and has a span for each time; what came before in the same request was its validation."""

    def __init__(self, model: Model, predictor: Predictor, meter: Meter, spans: Spans) -> None:
        super().__init__(model, predictor, meter)
        self._spans = spans
        facts = predictor.facts
        self._about: dict[str, str | int] = {
            "engine.model.name": facts.name,
            "engine.model.hash": facts.hash,
            "engine.model.runtime": facts.report.runtime,
        }

    def ask(self, asked: Asked, place: Place) -> Prediction:
        """Predict as ever."""
        about = {**self._about, "engine.model.rows": len(asked.instances)}
        with self._spans.predicting(self.facts.name, about):
            return super().ask(asked, place)

    def measured(self, rows: int, call: Callable[[], Any]) -> Any:
        """Call the model by a way of the caller's own."""
        with self._spans.predicting(self.facts.name, {**self._about, "engine.model.rows": rows}):
            return super().measured(rows, call)
