"""The numbers of a service as Prometheus reads them; its own client library writes the format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from engine.counting import Tally
from engine.endpoints.messages import Request, Response
from engine.endpoints.metrics import CLOSED, RESTARTS, ROWS, SECONDS, Numbers
from engine.endpoints.process import Status

_REFUSED = {
    401: "no_key",
    403: "forbidden",
    408: "slow_body",
    413: "body",
    414: "url",
    415: "content_type",
    422: "input",
    429: "rate_limit",
    503: "overload",
}


class MetricsEndpoint:
    """Answers with the numbers of the whole service, as Prometheus reads them."""

    def __init__(self, numbers: Callable[[], Numbers], status: Callable[[], Status]) -> None:
        self._numbers = numbers
        self._status = status

    def __call__(self, request: Request) -> Response:  # noqa: ARG002 - the shape of every endpoint
        """Answer one request."""
        from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest  # noqa: PLC0415

        body = generate_latest(_Collected(self._numbers(), self._status().document))
        headers = (("Content-Type", CONTENT_TYPE_PLAIN_0_0_4), ("Cache-Control", "no-store"))
        return Response(HTTPStatus.OK, headers, body)


class _Collected:
    """What prometheus_client asks for what it writes."""

    def __init__(self, numbers: Numbers, status: Mapping[str, Any]) -> None:
        self._numbers = numbers
        self._status = status

    def collect(self) -> Iterator[Any]:
        from prometheus_client import metrics_core as core  # noqa: PLC0415 - a scrape needs it, and no start

        numbers, status = self._numbers, self._status
        requests = core.CounterMetricFamily("engine_requests", "Requests.", labels=("route", "method", "status"))
        refused = core.CounterMetricFamily("engine_refused", "Requests that were refused.", labels=("reason",))
        seconds: dict[tuple[str, str], Tally] = {}
        reasons = dict.fromkeys(_REFUSED.values(), 0)
        for (route, method, code), tally in sorted(numbers.requests.items()):
            requests.add_metric((route, method, str(code)), sum(tally.counts))
            seconds[route, method] = seconds[route, method] + tally if (route, method) in seconds else tally
            if code in _REFUSED:
                reasons[_REFUSED[code]] += sum(tally.counts)
        for reason, count in reasons.items():
            refused.add_metric((reason,), count)
        yield requests
        yield refused
        yield _histogram(
            "request_duration_seconds", "Seconds until an answer was made.", "route method", seconds, SECONDS
        )
        yield core.GaugeMetricFamily("engine_requests_in_flight", "Requests in hand.", numbers.in_flight)
        by_model = {(name,): tally for name, tally in numbers.models.items()}
        yield _histogram("model_duration_seconds", "Seconds until a model's answer.", "model", by_model, SECONDS)
        by_model = {(name,): tally for name, tally in numbers.batches.items()}
        yield _histogram("model_batch_rows", "Rows of a call of a model.", "model", by_model, ROWS)
        models = core.GaugeMetricFamily(
            "engine_model_info", "Models that are served.", labels=("model", "runtime", "estimator")
        )
        for model in status["models"]:
            models.add_metric((model["name"], model["runtime"], model["estimator"]), 1)
        yield models
        yield core.GaugeMetricFamily("engine_generation", "The number of what is served.", status["generation"])
        yield core.GaugeMetricFamily(
            "engine_degraded", "1 where what is served is not what the files say.", int(bool(status["degraded"]))
        )
        yield core.GaugeMetricFamily("engine_workers", "Worker processes.", len(status["workers"]))
        yield from self._events(core)

    def _events(self, core: Any) -> Iterator[Any]:
        """Give what happens now and then, also what has not happened yet."""
        for event, (text, label, values) in EVENTS.items():
            family = core.CounterMetricFamily(f"engine_{event}", text, labels=(label,) if label else None)
            for value in values:
                family.add_metric((value,) if label else (), self._numbers.events.get((event, value), 0))
            yield family


# What is counted, the name of its label, and the label's values.
EVENTS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "reloads": ("Changes of the files that were checked.", "outcome", ("served", "refused")),
    "worker_restarts": ("Workers that were replaced.", "reason", RESTARTS),
    "log_lines_dropped": ("Log lines that nobody read in time.", "", ("",)),
    "rate_limit_storage_failures": ("Requests whose rate could not be looked up.", "", ("",)),
    "connections_closed": ("Connections that the service closed.", "reason", CLOSED),
}


def _histogram(name: str, text: str, labels: str, tallies: Mapping[Any, Tally], bounds: tuple[float, ...]) -> Any:
    from prometheus_client import metrics_core as core  # noqa: PLC0415

    family = core.HistogramMetricFamily(f"engine_{name}", text, labels=labels.split())
    for values, tally in sorted(tallies.items()):
        count, buckets = 0, []
        for bound, found in zip((*map(float, bounds), "+Inf"), tally.counts, strict=True):
            count += found
            buckets.append((str(bound), count))
        family.add_metric(values, buckets, tally.total)
    return family
