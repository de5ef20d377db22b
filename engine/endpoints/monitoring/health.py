"""The process that answers, as endpoints know it, and the endpoints of every service: live, ready, and status."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from engine.endpoints.answering.counters import Counters
from engine.endpoints.fixed import FixedEndpoint
from engine.endpoints.messages import Endpoint, Request, Response, encode_json
from engine.endpoints.monitoring.metrics import Counts, Meter
from engine.endpoints.problems import Problem
from engine.models import Facts

if TYPE_CHECKING:
    from engine.tracing.spans import Spans

_HEADERS = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))


@dataclass(frozen=True, slots=True)
class Status:
    """The state of a service: whether it accepts new requests, and the document that `/-/status` shows."""

    ready: bool
    document: Mapping[str, Any]


StatusSource = Callable[[], Status]


@dataclass(frozen=True, slots=True)
class ServiceState:
    """The process that answers: the state and the metrics of the service, and this process's own counters.

    Unless `is_whole`, the process knows only itself, though the server may run several. Without `counters`, sequences
    are counted in this process alone; without `spans`, nothing is traced.
    """

    status: StatusSource
    numbers: Callable[[], Counts]
    meter: Meter
    is_whole: bool = True
    counters: Counters | None = None
    spans: Spans | None = None


READY = Response(HTTPStatus.OK, _HEADERS, encode_json({"ready": True}))


@dataclass(frozen=True)
class ReadyEndpoint(Endpoint):
    """Answers whether the service accepts new requests: 503 as soon as shutdown begins."""

    status: StatusSource
    response: Response

    @property
    def is_quick(self) -> bool:
        return True  # it only looks at a variable

    def __call__(self, request: Request) -> Response:  # noqa: ARG002 - the shape of every endpoint
        """Answer one request; raise `Problem` if it is not ready."""
        if not self.status().ready:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "the service is stopping", headers=(("Retry-After", "1"),))
        return self.response


@dataclass(frozen=True)
class StatusEndpoint(Endpoint):
    """Shows the status of the service, to the addresses and networks that may see it."""

    status: StatusSource
    sources: tuple[str, ...]

    def __call__(self, request: Request) -> Response:
        """Answer one request; raise `Problem` for a client elsewhere, or one behind a proxy."""
        if not _is_among(request.client, self.sources):
            raise Problem(
                HTTPStatus.FORBIDDEN,
                "the status is shown only to the addresses under built_in: status: from, which connect directly, "
                "without a proxy, and use an IP address or localhost as the host",
            )
        return Response(HTTPStatus.OK, _HEADERS, encode_json(self.status().document))


def show_models(models: Iterable[Facts]) -> list[dict[str, Any]]:
    """List the models and their runtimes for a status."""
    return [
        {
            "name": facts.name,
            "file": facts.file,
            "hash": facts.hash,
            "runtime": facts.report.runtime,
            "estimator": facts.estimator,
            **({"stand_in": True} if facts.is_stand_in else {}),
        }
        for facts in models
    ]


LIVE = FixedEndpoint(Response(HTTPStatus.OK, _HEADERS, encode_json({"live": True})))


def _is_among(client: str, sources: Iterable[str]) -> bool:
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in ipaddress.ip_network(source) for source in sources)
