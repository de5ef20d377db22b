"""A fast path in front of Flask for most requests.

`Lane(app)` is a WSGI callable. It looks up an answer by (method, path), and passes every other request, and each one
that is not plain, to the app, unchanged. Its answers are byte for byte those of the app. `Lane.quick` gives only
answers that take microseconds, so that a server's own thread may call it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from time import perf_counter
from typing import Any

import flask

from engine.endpoints import Endpoint, Guard, Request, Response
from engine.endpoints.fixed import CheckedEndpoint, FileEndpoint, FixedEndpoint, HeadedEndpoint
from engine.endpoints.monitoring.health import ReadyEndpoint
from engine.endpoints.predict import PredictEndpoint
from engine.web.app import Service, as_path_info, to_flask
from engine.web.body import ERROR
from engine.web.counts import BEGIN
from engine.web.guarding import ADMISSION
from engine.web.identity import REQUEST_ID, names_of

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]
Headers = list[tuple[str, str]]
Answer = tuple[int, Headers, bytes]
"""The status, headers and body of an answer."""
Way = Callable[[Environ], Answer | None]
"""Answers a request, or leaves it to the app, with its findings in the environ."""

MAX_HOSTS = 100
# With a slower model or a longer body, a request is not answered in a thread that others wait for.
QUICK_SECONDS = 0.001
_QUICK_DIGITS = 4  # of the length of a body
TRIED = "engine.tried"  # environ key of requests that the lane has passed on to the app
_NO_BODY = (None, "", "0")
_PLAIN_HOST = re.compile(r"([A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){0,10}(:[0-9]{1,5})?)?")


@dataclass(frozen=True, slots=True)
class Known:
    """An entry of the lane, the counter of its answers, and whether it takes microseconds."""

    way: Way
    count: Callable[[float], None]
    is_quick: bool


class Lane:
    """A service's app with the fast path in front of it."""

    def __init__(self, app: Service, environ: Environ | None = None) -> None:
        """Put the fast path in front of an app; `environ` has keys that only the app needs."""
        self.service = app
        self._environ = environ or {}
        self._ways: Mapping[tuple[str, str], Known] = {
            (method, as_path_info(path)): Known(
                _guarded(way, guard) if guard.stands else way,
                app.meter.requests(mounted.route.path, method, status).add,
                is_quick=_is_quick(mounted.endpoint) and not guard.waits,
            )
            for mounted, guard in zip(app.mounted, app.guards.routes, strict=True)
            if not mounted.route.parameters
            for method in mounted.route.methods
            for way, status in _ways(mounted.endpoint, method, mounted.route.limits.body)
            for path in app.paths(mounted.route)
        }
        self.hosts: set[str] = set()  # those that were found to be plain
        self._query = min(
            (mounted.route.limits.url - len(mounted.route.path.encode()) for mounted in app.mounted), default=0
        )

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request (PEP 3333)."""
        begin = environ.setdefault(BEGIN, perf_counter())
        known = None if TRIED in environ or ERROR in environ else self._find(environ)
        answer = None if known is None else _go(known, environ, begin)
        if answer is not None:
            status, headers, body = answer
            start_response(_status_line(status), headers)
            return [body]
        environ.update(self._environ)
        try:
            return self.service(environ, start_response)  # type: ignore[arg-type]
        finally:
            _forget_failures(environ)

    def quick(self, environ: Environ) -> Answer | None:
        """Answer a request if that takes microseconds; None leaves it to `__call__`."""
        begin = perf_counter()
        known = self._find(environ)
        if known is not None and known.is_quick and len(environ.get("CONTENT_LENGTH", "")) <= _QUICK_DIGITS:
            environ[TRIED] = True
            if (answer := _go(known, environ, begin)) is not None:
                return answer
        environ[BEGIN] = begin
        return None

    def at_once(self) -> Iterator[tuple[str, Answer, Callable[[float], None]]]:
        """Return each path whose GET has the same answer for all clients, with that answer and its counter."""
        for mounted, guard in zip(self.service.mounted, self.service.guards.routes, strict=True):
            known = self._ways.get(("GET", as_path_info(mounted.route.path)))
            is_one = isinstance(mounted.endpoint, FixedEndpoint | FileEndpoint) and not guard.stands
            if known is not None and is_one and self._query >= 0 and (answer := known.way({})) is not None:
                for path in self.service.paths(mounted.route):
                    yield path, answer, known.count

    def fixed_bodies(self) -> Iterator[bytes]:
        """Return the bodies that are sent repeatedly without change."""
        for mounted in self.service.mounted:
            endpoint = mounted.endpoint
            while isinstance(endpoint, CheckedEndpoint | HeadedEndpoint):
                endpoint = endpoint.endpoint
            if isinstance(endpoint, FixedEndpoint | FileEndpoint):
                yield endpoint.response.body

    def _find(self, environ: Environ) -> Known | None:
        """Find the entry for a request, if the request is plain."""
        known = self._ways.get((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        if known is None or "HTTP_TRANSFER_ENCODING" in environ or len(environ.get("QUERY_STRING", "")) > self._query:
            return None
        host = environ.get("HTTP_HOST", "")
        return known if host in self.hosts or self._is_plain(host) else None

    def _is_plain(self, host: str) -> bool:
        """Return whether Flask certainly accepts a Host header; it refuses a few, such as `a..b`."""
        if not _PLAIN_HOST.fullmatch(host):
            return False
        if len(self.hosts) < MAX_HOSTS:
            self.hosts.add(host)
        return True


def _forget_failures(environ: Environ) -> None:
    """Let a failed request be freed at once, with its body, and not at the next garbage collection.

    An exception that was raised keeps its frames, and they keep the environ that keeps the exception.
    """
    environ.pop(ERROR, None)
    admission = environ.get(ADMISSION)
    if admission is not None and admission.problem is not None:
        admission.problem.__traceback__ = None


def _go(known: Known, environ: Environ, begin: float) -> Answer | None:
    answer = known.way(environ)
    if answer is not None:
        known.count(perf_counter() - begin)
        if "HTTP_X_REQUEST_ID" in environ or "HTTP_TRACEPARENT" in environ or REQUEST_ID in environ:
            return _marked(answer, names_of(environ))
    return answer


def _marked(answer: Answer, marks: Iterable[tuple[str, str]]) -> Answer:
    """Add headers to an answer."""
    status, headers, body = answer
    return status, [*headers, *marks], body


@cache
def _status_line(status: int) -> str:
    """Write a status in Flask's form."""
    return flask.Response(status=status).status


def _is_quick(endpoint: Endpoint) -> bool:
    """Return whether an endpoint answers in microseconds: without computing, or by a model known to be quick."""
    if not isinstance(endpoint, PredictEndpoint):
        return True
    return endpoint.seconds is not None and endpoint.seconds < QUICK_SECONDS


def _ways(endpoint: Endpoint, method: str, limit: int) -> Iterator[tuple[Way, int]]:
    """Return the fast path to an endpoint, if it has one, and the status of its answers."""
    if isinstance(endpoint, FixedEndpoint):
        yield _fixed(endpoint.response, method), endpoint.response.status
    elif isinstance(endpoint, FileEndpoint):
        yield _file(endpoint, method), endpoint.response.status
    elif isinstance(endpoint, ReadyEndpoint):
        yield _queried(endpoint, method), HTTPStatus.OK
    elif isinstance(endpoint, PredictEndpoint):
        yield _queried(endpoint, method) if method == "GET" else _computed(endpoint, method, limit), HTTPStatus.OK
    elif isinstance(endpoint, CheckedEndpoint) and isinstance(endpoint.endpoint, FixedEndpoint | FileEndpoint):
        yield _computed(endpoint, method, limit), endpoint.endpoint.response.status


def _guarded(way: Way, guard: Guard) -> Way:
    """Ask the guard first; the app answers requests that it refuses."""

    def ask(environ: Environ) -> Answer | None:
        try:
            admission = environ[ADMISSION] = environ.get(ADMISSION) or guard.admit(environ)
        except Exception:  # noqa: BLE001 - the app asks the guard again, and tells its failure as it should be told
            return None
        if admission.problem is not None:
            return None
        answer = way(environ)
        return answer if answer is None or not admission.headers else _marked(answer, admission.headers)

    return ask


def _fixed(response: Response, method: str) -> Way:
    answer = _written(response, method)
    return lambda environ: answer if environ.get("CONTENT_LENGTH") in _NO_BODY else None


def _file(endpoint: FileEndpoint, method: str) -> Way:
    fixed = _fixed(endpoint.response, method)

    def answer(environ: Environ) -> Answer | None:
        return None if "HTTP_IF_NONE_MATCH" in environ else fixed(environ)

    return answer


def _queried(endpoint: Endpoint, method: str) -> Way:
    """Answer with an endpoint's response to a query string."""
    write = _writer(method)

    def answer(environ: Environ) -> Answer | None:
        if environ.get("CONTENT_LENGTH") not in _NO_BODY:
            return None
        try:
            response = endpoint(
                Request(method, query=environ.get("QUERY_STRING", ""), accept=environ.get("HTTP_ACCEPT", ""))
            )
        except Exception as error:  # noqa: BLE001 - the app tells it as it should be told
            environ[ERROR] = error
            return None
        return write(response)

    return answer


def _computed(endpoint: Endpoint, method: str, limit: int) -> Way:
    """Answer with an endpoint's response to a complete body."""
    write = _writer(method)

    def answer(environ: Environ) -> Answer | None:
        length = environ.get("CONTENT_LENGTH") or ""
        size = int(length) if length.isdecimal() and length.isascii() else 0
        if "HTTP_CONTENT_ENCODING" in environ or not 0 < size <= limit:
            return None
        try:
            body = environ["wsgi.input"].read(size)
        except OSError:
            body = b""
        if len(body) < size:
            environ["wsgi.input"] = io.BytesIO(body)
            return None
        try:
            response = endpoint(
                Request(method, {}, environ.get("CONTENT_TYPE", ""), "", body, accept=environ.get("HTTP_ACCEPT", ""))
            )
        except Exception as error:  # noqa: BLE001 - the app tells it as it should be told
            environ[ERROR], environ["wsgi.input"] = error, io.BytesIO(body)
            return None
        return write(response)

    return answer


def _written(response: Response, method: str) -> Answer:
    """Write a response in Flask's form."""
    environ = {"REQUEST_METHOD": method, "SERVER_NAME": "", "SERVER_PORT": "80", "wsgi.url_scheme": "http"}
    body, _, headers = to_flask(response).get_wsgi_response(environ)
    return response.status, list(headers), b"".join(body)


def _writer(method: str) -> Callable[[Response], Answer]:
    """Write responses that differ only in their body like the last one that Flask wrote."""
    known: tuple[Any, Headers, int] = ((), [], -1)

    def write(response: Response) -> Answer:
        nonlocal known
        kind, headers, place = known
        if kind != (response.status, response.headers):
            _, headers, _ = _written(response, method)
            place = next((index for index, (name, _) in enumerate(headers) if name == "Content-Length"), -1)
            known = ((response.status, response.headers), headers, place)
        if place >= 0:
            headers = headers.copy()
            headers[place] = ("Content-Length", str(len(response.body)))
        return response.status, headers, response.body

    return write
