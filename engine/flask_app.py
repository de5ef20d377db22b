"""An ordinary Flask app made from a spec: extensions work on it, test_client() does, any WSGI server runs it."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast
from wsgiref.types import StartResponse, WSGIEnvironment

import flask
from flask.globals import request_ctx
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter
from werkzeug.wrappers import Response as WerkzeugResponse

from engine.endpoints import NO_ROUTE, Problem, Response, Sending
from engine.endpoints.problems import status_title
from engine.handling import CUT_OFF, INSTEAD, Handler, Incoming, answers, end_connection, open_service
from engine.spec import LazyRule
from engine.telemetry import warn_if_too_late


class _Request(flask.Request):
    """A request of Flask's, with what the handler knows of it."""

    incoming: Incoming | None = None


class App(flask.Flask):
    """A Flask app in front of a handler: Flask's hooks call the handler's steps, and its router has the same rules."""

    request_class = _Request
    url_rule_class = LazyRule

    def __init__(self, handler: Handler) -> None:
        super().__init__("engine", static_folder=None, template_folder=None)
        self.handler = handler
        self.stopping = threading.Event()  # whoever sets it, as the server stops, ends all injected delays
        self.url_map = handler.router.url_map
        for rule in self.url_map.iter_rules():
            self.view_functions[rule.endpoint] = self._call
        self.before_request(self._enter)
        self.after_request(self._leave)
        self.teardown_request(_forget)
        self.register_error_handler(Exception, self._explain)

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request (PEP 3333); one whose path begins with the base path, as if it were mounted there."""
        mount, path = environ.get("SCRIPT_NAME", ""), environ["PATH_INFO"]
        base, environ["PATH_INFO"] = self.handler.router.split(path)
        environ["SCRIPT_NAME"] = mount + base
        try:
            return super().wsgi_app(environ, start_response)
        finally:  # for the log of requests
            environ["SCRIPT_NAME"], environ["PATH_INFO"] = mount, path

    def create_url_adapter(self, request: flask.Request | None) -> MapAdapter | None:
        """Look up the route of a URL, unless no route allows such a URL."""
        if request is not None:
            self.handler.router.check(request.environ["PATH_INFO"])
        return super().create_url_adapter(request)

    def _incoming(self) -> Incoming:
        """Return the request that is being answered, with what Flask's router has found."""
        request = cast("_Request", request_ctx.request)
        if request.incoming is None:
            incoming = request.incoming = Incoming(request.environ)
            incoming.mount, incoming.path_info = request.environ["SCRIPT_NAME"], request.environ["PATH_INFO"]
            incoming.rule = NO_ROUTE if request.url_rule is None else request.url_rule.rule
            incoming.mounted = self.handler.router.mounted(request.endpoint)
            incoming.arguments = request.view_args or {}
            incoming.adapter, incoming.unmatched = request_ctx.url_adapter, request.routing_exception
        return request.incoming

    def _enter(self) -> flask.Response | None:
        answer = self.handler.enter(self._incoming())
        return None if answer is None else _to_flask(answer)

    def _call(self, **_: Any) -> flask.Response:
        return _to_flask(self.handler.call(self._incoming()))

    def _explain(self, error: Exception) -> WerkzeugResponse | HTTPException:
        if isinstance(error, HTTPException) and (error.code is None or error.response is not None):
            return error  # of other code
        return _to_flask(self.handler.explain(error, self._incoming()))

    def _leave(self, response: flask.Response) -> flask.Response:
        incoming = self._incoming()
        if incoming.sending is not None:
            response = self._send_later(response, incoming, incoming.sending)
        added = self.handler.added.lacking(response.headers, incoming.route)
        response.headers.extend((*added, *answers.ALWAYS, *self.handler.marks(incoming)))
        if response.is_streamed:
            response.call_on_close(lambda: self.handler.leave(incoming, response.status_code))
        else:
            self.handler.leave(incoming, response.status_code)
        return response

    def _send_later(self, response: flask.Response, incoming: Incoming, sending: Sending) -> flask.Response:
        """Wait in this thread, as is drawn for the request, and return what is answered, if anything is."""
        self.stopping.wait(sending.seconds)
        sending.release()
        if not sending.fails:
            return response
        response.close()
        if end_connection(incoming.environ, sending.fails):
            return flask.Response(status=CUT_OFF)  # which nobody gets
        detail = f"the spec injects fail: {sending.fails}, and this server does not let the app close the connection"
        return _to_flask(self.handler.explain(Problem(INSTEAD[sending.fails], detail), incoming))


def create_app(routes: str | Path = "routes.yaml", models: str | Path | None = None) -> App:
    """Read a spec and make its app: `gunicorn 'engine:create_app()'`.

    Without `models`, the models.yaml beside `routes` is read if it exists. Raises `SpecError` with every mistake in
    both files.
    """
    warn_if_too_late()
    handler, _ = open_service(routes, models)
    return App(handler)


def _forget(_: BaseException | None) -> None:
    """Let the request be freed at once: its routing exception keeps the frames, and they keep the request."""
    flask.request.routing_exception = None


def _to_flask(response: Response) -> flask.Response:
    """Make Flask's response from ours, without any header that ours does not have."""
    answer = flask.Response(response.body, f"{int(response.status)} {status_title(response.status)}")
    del answer.headers["Content-Type"]
    answer.headers.extend(response.headers)
    return answer
