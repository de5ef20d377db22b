"""The handler of a service that is traced: the same steps, and a span for each request that is counted.

Attributes follow https://opentelemetry.io/docs/specs/semconv/http/http-spans/. There is no query string, no header but
the user agent, no body and no message of an error in a span, as there may be secrets in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from time import perf_counter
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from engine.endpoints import NO_ROUTE, Guards, Meter, Mounted, Problem, Response
from engine.endpoints.guards.client import client_address
from engine.handling.answers import WireAnswer
from engine.handling.faults import CLIENT_GONE, CUT_OFF
from engine.handling.handler import Handler
from engine.handling.incoming import Environ, Incoming
from engine.spec import Spec

if TYPE_CHECKING:
    from engine.tracing.spans import Attributes, Spans

_METHODS = frozenset(("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"))
_PORTS = {"http": 80, "https": 443}
_LONGEST = 2048
_SAFE = "/:@!$&'()*+,;=~"


class TracedHandler(Handler):
    """Handles requests as ever, within spans.

    A span begins when its request arrived, with `call`, or with `leave` where no endpoint was asked.
    """

    def __init__(self, spec: Spec, mounted: Sequence[Mounted], guards: Guards, meter: Meter, spans: Spans) -> None:
        super().__init__(spec, mounted, guards, meter)
        self._spans = spans

    def call(self, incoming: Incoming) -> Response:
        """Ask the endpoint within the request's span."""
        self._start(incoming)
        with self._spans.judging(incoming.span):
            try:
                return super().call(incoming)
            except Problem as problem:
                if problem.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                    self._spans.end_judging(str(int(problem.status)))
                raise

    def explain(self, error: Exception, incoming: Incoming) -> Response:
        """Explain an error, and name one that is ours in the span."""
        response = super().explain(error, incoming)
        if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, Problem):
            incoming.failure = type(error).__qualname__
        return response

    def leave(self, incoming: Incoming, status: int) -> None:
        """End the request's span."""
        super().leave(incoming, status)
        self._start(incoming)
        self._spans.end(incoming.span, *_outcome(incoming, status))

    def constant_answers(self) -> Iterator[tuple[str, WireAnswer, Callable[[float], None]]]:
        """Return none: each of these answers has a span too."""
        return iter(())

    def _start(self, incoming: Incoming) -> None:
        if incoming.span is None:
            environ = incoming.environ
            sent = {name: environ[key] for name, key in _PARENT if key in environ}
            seconds = perf_counter() - incoming.began
            incoming.span, incoming.trace = self._spans.start(_name(incoming), sent, seconds)
            if incoming.span.is_recording():  # no sampler asks for more than the trace
                about = _describe_request(incoming, self._spans.scheme, self.spec.service.proxies)
                incoming.span.set_attributes(about)


_PARENT = (("traceparent", "HTTP_TRACEPARENT"), ("tracestate", "HTTP_TRACESTATE"))


def _name(incoming: Incoming) -> str:
    method = incoming.environ["REQUEST_METHOD"]
    method = method if method in _METHODS else "HTTP"
    return method if incoming.rule == NO_ROUTE else f"{method} {incoming.rule}"


def _describe_request(incoming: Incoming, scheme: str, proxies: int) -> Attributes:
    """Describe a request as it is known before its endpoint is asked."""
    environ, method = incoming.environ, incoming.environ["REQUEST_METHOD"]
    path = environ.get("SCRIPT_NAME", "") + environ["PATH_INFO"]
    scheme = environ.get("wsgi.url_scheme", scheme)  # which is not there yet where an answer is quick
    host, port = _server(environ, scheme)
    found: dict[str, str | int] = {
        "http.request.method": method if method in _METHODS else "_OTHER",
        "http.request.method_original": "" if method in _METHODS else method[:_LONGEST],
        "http.route": "" if incoming.rule == NO_ROUTE else incoming.rule,
        "url.path": quote(path.encode("latin-1", "replace")[:_LONGEST], safe=_SAFE),
        "url.scheme": scheme,
        "server.address": host,
        "server.port": port,
        "client.address": client_address(environ, proxies),
        "network.peer.address": environ.get("REMOTE_ADDR", ""),
        "network.protocol.version": environ.get("SERVER_PROTOCOL", "").removeprefix("HTTP/"),
        "user_agent.original": environ.get("HTTP_USER_AGENT", "")[:_LONGEST],
    }
    return {name: value for name, value in found.items() if value}


def _server(environ: Environ, scheme: str) -> tuple[str, int]:
    """Return the host and the port that a client has asked, from its Host header."""
    try:
        parts = urlsplit(f"//{environ.get('HTTP_HOST', '')[:_LONGEST]}")
        return parts.hostname or "", parts.port or _PORTS.get(scheme, 0)
    except ValueError:
        return "", 0


def _outcome(incoming: Incoming, status: int) -> tuple[int | None, str]:
    """Return the status that was sent, and what has failed; a client's mistake is no failure of the span."""
    if status == CLIENT_GONE:
        return None, "client_gone"
    if status == CUT_OFF:
        return None, incoming.sending.fails if incoming.sending is not None else "cut_off"
    return status, (incoming.failure or str(int(status))) if status >= HTTPStatus.INTERNAL_SERVER_ERROR else ""
