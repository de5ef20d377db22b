"""Metrics in the format of Prometheus, written by its own client library."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from engine.counting import Tally
from engine.endpoints.answering.counters import FORGOTTEN
from engine.endpoints.faults import KINDS
from engine.endpoints.messages import Endpoint, Request, Response
from engine.endpoints.monitoring.health import ServiceState
from engine.endpoints.monitoring.metrics import CLOSED, RESTARTS, ROWS, SECONDS, SPANS, Counts

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


_ONE_PROCESS = """\
# These are the metrics of process {} alone, one of several that answer. A scrape reaches one of them at random, so each
# has series of its own; the sum over the label "process" is complete once each has been scraped.
# `python -m engine serve` collects the metrics of all its workers.
"""


@dataclass(frozen=True)
class MetricsEndpoint(Endpoint):
    """Answers with the metrics of the whole service, in the format of Prometheus."""

    process: ServiceState

    def __call__(self, request: Request) -> Response:
        from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest  # noqa: PLC0415

        families, said = _families(self.process.numbers(), self.process.status().document), ""
        if request.is_one_of_several and not self.process.is_whole:
            number = str(os.getpid())
            families, said = _labelled(families, number), _ONE_PROCESS.format(number)
        body = said.encode() + generate_latest(_Collector(lambda: families))
        headers = (("Content-Type", CONTENT_TYPE_PLAIN_0_0_4), ("Cache-Control", "no-store"))
        return Response(HTTPStatus.OK, headers, body)


@dataclass(frozen=True, slots=True)
class _Collector:
    """What prometheus_client reads metrics from."""

    collect: Callable[[], Iterator[Any]]


def _labelled(families: Iterator[Any], process: str) -> Iterator[Any]:
    """Add the label `process` to every metric, because a scrape reaches any one of several processes."""
    for family in families:
        family.samples = [one._replace(labels={**one.labels, "process": process}) for one in family.samples]
        yield family


def _families(numbers: Counts, status: Mapping[str, Any]) -> Iterator[Any]:
    from prometheus_client import metrics_core as core  # noqa: PLC0415 - a scrape needs it, and no start

    requests = core.CounterMetricFamily("engine_requests", "Requests.", labels=("route", "method", "status"))
    refused = core.CounterMetricFamily("engine_refused", "Rejected requests.", labels=("reason",))
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
    yield _histogram("request_duration_seconds", "Response time in seconds.", "route method", seconds, SECONDS)
    yield core.GaugeMetricFamily("engine_requests_in_flight", "Requests in flight.", numbers.in_flight)
    by_model = {(name,): tally for name, tally in numbers.models.items()}
    yield _histogram("model_duration_seconds", "Model latency in seconds.", "model", by_model, SECONDS)
    by_model = {(name,): tally for name, tally in numbers.batches.items()}
    yield _histogram("model_batch_rows", "Rows per model call.", "model", by_model, ROWS)
    models = core.GaugeMetricFamily(
        "engine_model_info", "Models being served.", labels=("model", "runtime", "estimator", "hash")
    )
    for model in status["models"]:
        models.add_metric(tuple(model[label] for label in ("name", "runtime", "estimator", "hash")), 1)
    yield models
    stand_ins = core.GaugeMetricFamily(
        "engine_model_stand_in", "1 if examples answer because a model's file does not exist.", labels=("model",)
    )
    for model in status["models"]:
        stand_ins.add_metric((model["name"],), int(model.get("stand_in", False)))
    yield stand_ins
    yield core.GaugeMetricFamily("engine_generation", "The generation being served.", status["generation"])
    yield core.GaugeMetricFamily(
        "engine_degraded", "1 if the files differ from what is being served.", int(bool(status["degraded"]))
    )
    yield core.GaugeMetricFamily("engine_workers", "Worker processes.", len(status["workers"]))
    # All events, also those that have not happened yet.
    for event, (text, label, values) in EVENTS.items():
        family = core.CounterMetricFamily(f"engine_{event}", text, labels=(label,) if label else None)
        for value in values:
            family.add_metric((value,) if label else (), numbers.events.get((event, value), 0))
        yield family


# The name of each counter, its label, and the label's values.
EVENTS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "reloads": ("File changes that were checked.", "outcome", ("served", "refused")),
    "worker_restarts": ("Workers that were replaced.", "reason", RESTARTS),
    "log_lines_dropped": ("Log lines dropped because they could not be written in time.", "", ("",)),
    "rate_limit_storage_failures": ("Requests whose rate could not be checked.", "", ("",)),
    "faults": ("Delays and failures that the spec injects.", "kind", KINDS),
    FORGOTTEN: ("Keys of sequences whose counts were forgotten, to make room for others.", "", ("",)),
    "connections_closed": ("Connections closed by the service.", "reason", CLOSED),
    "spans": ("Spans of traces, by what became of them.", "outcome", SPANS),
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
