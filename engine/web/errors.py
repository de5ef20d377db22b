"""Errors for every client: problem details for programs, Flask's own page for browsers."""

from __future__ import annotations

import logging
from html import escape
from http import HTTPStatus

import flask
from werkzeug.datastructures import MIMEAccept
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.http import parse_accept_header
from werkzeug.routing import RequestRedirect

from engine.endpoints import Problem
from engine.endpoints.problems import title
from engine.schema import clip
from engine.text import printable
from engine.web.identity import request_id
from engine.web.signpost import Signpost

MAX_ACCEPT = 1000  # characters of an Accept header that are read; browsers send about 150

logger = logging.getLogger("engine")


def answer_errors(app: flask.Flask, signpost: Signpost, *, prefer_html: bool) -> None:
    """Have the app answer each of its errors in the form that the client wants.

    `prefer_html` decides for a client that accepts anything, and `signpost` leads to the docs page.
    """

    def on_http_exception(error: HTTPException) -> flask.Response | HTTPException:
        if isinstance(error, RequestRedirect) or error.code is None or error.response is not None:
            return error
        if isinstance(error, MethodNotAllowed):
            error.valid_methods = sorted(error.valid_methods or ())
        if _wants_html(flask.request, prefer_html=prefer_html):
            return _led(error, signpost)
        allow = (("Allow", _allowed(error)),) if isinstance(error, MethodNotAllowed) else ()
        return _send(Problem(error.code, _detail(error, signpost), headers=allow))

    def on_problem(problem: Problem) -> flask.Response:
        if _wants_html(flask.request, prefer_html=prefer_html):
            return _page(problem)
        return _send(problem)

    def on_failure(error: Exception) -> flask.Response:
        name = request_id(flask.request.environ)
        method, path = flask.request.method, flask.request.path
        reason = printable(" ".join(f"{type(error).__name__}: {error}".split()))
        logger.error("request %s failed: %s %r: %s", name, method, path, clip(reason, 300), exc_info=error)
        detail = "the service failed; its log has the reason under this request id"
        return on_problem(Problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail, request_id=name))

    def forget(_: BaseException | None) -> None:
        """Let the request be freed at once: its routing exception keeps the frames, and they keep the request."""
        flask.request.routing_exception = None

    app.teardown_request(forget)
    app.register_error_handler(HTTPException, on_http_exception)
    app.register_error_handler(Problem, on_problem)
    app.register_error_handler(Exception, on_failure)


def _wants_html(request: flask.Request, *, prefer_html: bool) -> bool:
    accept = parse_accept_header(request.headers.get("Accept", "")[:MAX_ACCEPT], MIMEAccept)
    if not accept:
        return prefer_html
    as_html = accept["text/html"]
    as_json = max(accept["application/problem+json"], accept["application/json"])
    return as_html > as_json or (as_html == as_json and prefer_html)


def _led(error: HTTPException, signpost: Signpost) -> flask.Response | HTTPException:
    """Add the way to the docs page to Flask's own page, for a browser; others get that as it is."""
    request = flask.request
    is_lost = error.code in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)
    if not is_lost or "text/html" not in request.headers.get("Accept", "")[:MAX_ACCEPT]:
        return error
    page = signpost.mark(error.get_body(request.environ), request)
    return flask.Response(page, error.code, error.get_headers(request.environ))


def _detail(error: HTTPException, signpost: Signpost) -> str:
    request = flask.request
    if error.code == HTTPStatus.NOT_FOUND:
        docs = signpost.path(request) if request.path == "/" else ""
        return f"no route matches {clip(request.root_path + request.path, 200)}" + (
            f"; the endpoints are listed at {docs}" if docs else ""
        )
    if isinstance(error, MethodNotAllowed):
        return f"{request.method} is not allowed; allowed: {_allowed(error)}"
    return error.description or title(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)


def _allowed(error: MethodNotAllowed) -> str:
    return ", ".join(error.valid_methods or ())


def _send(problem: Problem) -> flask.Response:
    response = problem.response()
    return flask.Response(response.body, response.status, list(response.headers))


def _page(problem: Problem) -> flask.Response:
    """Write a problem in the form of Werkzeug's own error pages."""
    items = "".join(f"<li><code>{escape(e['pointer'])}</code> {escape(e['detail'])}</li>" for e in problem.errors)
    text = f"<p>{escape(problem.detail)}</p>" + (f"<ul>{items}</ul>" if items else "")
    text += f"<p>Request id: <code>{problem.request_id}</code></p>" if problem.request_id else ""
    name = title(problem.status)
    page = f"<!doctype html>\n<html lang=en>\n<title>{problem.status} {name}</title>\n<h1>{name}</h1>\n{text}\n"
    return flask.Response(page, problem.status, list(problem.headers), content_type="text/html; charset=utf-8")
