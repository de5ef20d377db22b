"""The way of every request from its head to its answer, the same for each server that receives it.

`Handler` is the only place for what concerns all routes: counting, guards, limits, errors and request ids. It knows
neither Flask nor Granian. `engine.server` calls `quick` and `respond`; the Flask app calls the single steps, between
which code of other people may run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from time import perf_counter
from typing import cast

from werkzeug.routing import RequestRedirect

from engine.endpoints import Guards, Headers, Meter, Mounted, Problem, Request, Response, direct_client
from engine.handling.added_headers import AddedHeaders
from engine.handling.admission import admit_request
from engine.handling.answers import Counted, WireAnswer, write_answer
from engine.handling.failures import Failures
from engine.handling.faults import call_faulty
from engine.handling.incoming import Incoming, id_headers
from engine.handling.request_body import BodyReader
from engine.handling.routing import Router
from engine.spec import Route, Spec

# A longer body is not read in a thread that others wait for.
QUICK_BYTES = 10_000


class Handler:
    """Handles the requests of a service, by these steps, in this order.

    1. `router.find`: the route of the path and the method.
    2. `enter`: the guards, for a request without a route too; then an error that is known already, the limits, the
       body, a redirect, or the error of a path that no route matches.
    3. `call`: the endpoint.
    4. `explain`: any error of these steps becomes an answer.
    5. `added`: the `response_headers` of the spec that the answer has not itself; the server adds those of the service
       to what it refuses itself.
    6. `marks`: the headers that depend on the request, from the guards and with its ids. `constant_answers` and what
       the server refuses itself have none; a header of every answer of every service belongs in `answers.ALWAYS`.
    7. `leave`: the request is counted, and its memory freed. Where `incoming.sending` delays the answer or keeps it
       from being sent, this is left to whoever sends it.
    """

    def __init__(self, spec: Spec, mounted: Sequence[Mounted], guards: Guards, meter: Meter) -> None:
        self.spec = spec
        self.mounted = mounted
        self.meter = meter
        self.router = Router(mounted, spec.service)
        self._guards = guards
        self._bodies = BodyReader(spec.service.limits, mounted)
        self._failures = Failures(spec, mounted)
        self.added = AddedHeaders(spec.service, mounted)

    def respond(self, incoming: Incoming) -> WireAnswer:
        """Answer a request, however long that takes."""
        if incoming.mounted is None:
            self.router.find(incoming)
        try:
            response = self.enter(incoming) or self.call(incoming)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong, there is an answer
            response = self.explain(error, incoming)
            error.__traceback__ = None  # its frames would keep the request until the next garbage collection
        return self._finish(incoming, response)

    def quick(self, incoming: Incoming) -> WireAnswer | None:
        """Answer a request whose body has been read, if that takes microseconds; None leaves it to `respond`.

        A server's own thread may call this. An error takes longer to explain, and is left to `respond`.
        """
        body = incoming.body
        if not self.router.find_plain(incoming) or body is None or len(body) >= QUICK_BYTES:
            return None
        if "HTTP_CONTENT_ENCODING" in incoming.environ:
            return None
        try:
            response = self.enter(incoming) or self.call(incoming)
        except Exception as error:  # noqa: BLE001 - explained by `respond`
            incoming.error = error
            return None
        return self._finish(incoming, response)

    def enter(self, incoming: Incoming) -> Response | None:
        """Do what comes before the endpoint; return an answer that needs no endpoint, and raise an error."""
        if self._guards.stand and (preflight := admit_request(incoming, self._guards, self.router)) is not None:
            return preflight
        if incoming.error is not None:
            error, incoming.error = incoming.error, None
            raise error
        if incoming.mounted is not None or incoming.unmatched is not None:  # other code reads its bodies itself
            self._bodies.read(incoming)
        if incoming.unmatched is None:
            return None
        if isinstance(incoming.unmatched, RequestRedirect):
            return self.router.redirected(incoming, incoming.unmatched)
        raise incoming.unmatched

    def call(self, incoming: Incoming) -> Response:
        environ = incoming.environ
        mounted = cast("Mounted", incoming.mounted)  # otherwise, `enter` has raised the reason
        route, method = mounted.route, environ["REQUEST_METHOD"]
        if method == "OPTIONS" and method not in route.methods:
            allowed = () if incoming.adapter is None else incoming.adapter.allowed_methods()
            return Response(HTTPStatus.OK, (("Allow", ", ".join(sorted(allowed))),), b"")
        request = Request(
            method,
            incoming.arguments,
            environ.get("CONTENT_TYPE", ""),
            environ.get("HTTP_IF_NONE_MATCH", ""),
            incoming.content,
            direct_client(environ) if route.sources else "",
            environ.get("QUERY_STRING", ""),
            environ.get("wsgi.multiprocess", False),
            incoming.coded_size,
            environ.get("HTTP_ACCEPT", ""),
            environ,
        )
        return call_faulty(mounted, request, incoming, self.meter) if mounted.is_faulty else mounted.endpoint(request)

    def explain(self, error: Exception, incoming: Incoming) -> Response:
        return self._failures.answer(error, incoming)

    def refuse(self, problem: Problem, incoming: Incoming) -> Response:
        """Answer a request that the server refuses, in the form that the spec declares."""
        return self._failures.write_own(problem, incoming) or problem.response()

    def marks(self, incoming: Incoming) -> Headers:
        """Return the headers that are added because of the request; those of every answer are `answers.ALWAYS`."""
        admission = incoming.admission
        return id_headers(incoming) if admission is None else (*admission.headers, *id_headers(incoming))

    def leave(self, incoming: Incoming, status: int) -> None:
        """Count a request that is answered, and free its memory."""
        method, seconds = incoming.environ["REQUEST_METHOD"], perf_counter() - incoming.began
        self.meter.requests(incoming.rule, method, status).add(seconds)
        if incoming.coded_size is not None:
            self._bodies.release(incoming)
        # As in `respond`:
        if incoming.unmatched is not None:
            incoming.unmatched.__traceback__ = None
        if incoming.admission is not None and incoming.admission.problem is not None:
            incoming.admission.problem.__traceback__ = None

    def free_body(self, incoming: Incoming) -> None:
        """Free the memory of the body of a request whose answer is sent later."""
        if incoming.coded_size is not None:
            self._bodies.release(incoming)
        incoming.body = incoming.content = b""

    def _finish(self, incoming: Incoming, response: Response) -> WireAnswer:
        if self.added.stand:
            response = self._with_added(response, incoming.route)
        status, headers, body = write_answer(response, incoming.environ["REQUEST_METHOD"], self.marks(incoming))
        if isinstance(body, bytes):
            if incoming.sending is None:
                self.leave(incoming, status)
            return status, headers, body
        return status, headers, Counted(body, lambda: self.leave(incoming, status))

    def _with_added(self, response: Response, route: Route | None) -> Response:
        headers = (*response.headers, *self.added.lacking(response.headers, route))
        return Response(response.status, headers, response.body)

    def constant_answers(self) -> Iterator[tuple[str, WireAnswer, Callable[[float], None]]]:
        """Return each path whose GET has the same answer for all clients, with that answer and its counter.

        None has a guard, so that there are none in a service with `cors` or keys.
        """
        for one in self.mounted:
            constant, route = one.endpoint.constant, one.route
            if constant is None or "GET" not in route.methods or one.guard.stands or route.parameters:
                continue
            if len(route.path.encode()) <= route.limits.url:
                answer = write_answer(self._with_added(constant, route), "GET")
                count = self.meter.requests(route.path, "GET", constant.status).add
                for path in {route.path, self.spec.service.base_path + route.path}:
                    yield path, answer, count

    def constant_bodies(self) -> Iterator[bytes]:
        """Return the bodies that are sent repeatedly without change."""
        for mounted in self.mounted:
            yield from mounted.endpoint.repeated
