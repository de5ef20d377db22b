"""Errors for every client: problems for programs, pages for browsers, styled and with the way to the docs."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from html import escape
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

from werkzeug.datastructures import MIMEAccept
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.http import parse_accept_header

from engine.endpoints import Headers, Mounted, Problem, Response
from engine.endpoints.problems import status_title
from engine.handling.error_bodies import ErrorBodies
from engine.handling.error_page import dress
from engine.handling.incoming import Incoming, request_id
from engine.schema import clip
from engine.spec import Spec
from engine.text import make_printable

if TYPE_CHECKING:
    from engine.endpoints.protocols.errors import WireErrors

MAX_ACCEPT = 1000  # characters of an Accept header that are read; browsers send about 150
_HTML = "text/html; charset=utf-8"

logger = logging.getLogger("engine")


class Failures:
    """Writes each error in the form that the client wants, and leads to the docs page if that is open to the client.

    The service's `errors` decide for a client that accepts anything.
    """

    def __init__(self, spec: Spec, mounted: Iterable[Mounted]) -> None:
        service = spec.service
        self._bodies = ErrorBodies(spec.error_bodies) if spec.error_bodies else None
        self._wires = _wire_errors(spec)
        # The page is the first of the paths that the docs take.
        self._docs = next((one for one in mounted if one.route.built_in == "docs"), None)
        self._title = service.title
        self._prefer_html = service.errors == "html"

    def answer(self, error: Exception, incoming: Incoming) -> Response:
        """Return the answer to a request that ended in an error; one that nobody meant is logged."""
        if isinstance(error, HTTPException):
            return self._answer_http(error, incoming)
        problem = error if isinstance(error, Problem) else _failed(error, incoming)
        if (own := self.write_own(problem, incoming)) is not None:
            return own
        if not self._wants_html(incoming):
            return problem.response()
        return _page(problem.status, (("Content-Type", _HTML), *problem.headers), _write_html(problem), incoming)

    def write_own(self, problem: Problem, incoming: Incoming) -> Response | None:
        """Write a problem as its protocol does, or with the body that the spec declares; None if there is none."""
        if self._wires is not None:
            written = self._wires.write(problem, incoming.path, incoming.route)
            if written is not None:
                return written
        return None if self._bodies is None else self._bodies.write(problem, incoming)

    def _answer_http(self, error: HTTPException, incoming: Incoming) -> Response:
        if isinstance(error, MethodNotAllowed):
            error.valid_methods = sorted(error.valid_methods or ())
        status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
        if self._bodies is not None or self._wires is not None or not self._wants_html(incoming):
            allow = (("Allow", _allowed(error)),) if isinstance(error, MethodNotAllowed) else ()
            problem = Problem(status, self._detail(error, incoming), headers=allow)
            own = self.write_own(problem, incoming)
            if own is not None or not self._wants_html(incoming):
                return own or problem.response()
        html = error.get_body(incoming.environ)
        if status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED) and _is_browser(incoming):
            html = self._with_docs(html, incoming)
        return _page(status, tuple(error.get_headers(incoming.environ)), html, incoming)

    def _detail(self, error: HTTPException, incoming: Incoming) -> str:
        if error.code == HTTPStatus.NOT_FOUND:
            docs = self._docs_path(incoming) if incoming.path == "/" else ""
            where = f"; the endpoints are listed at {docs}" if docs else ""
            return f"no route matches {clip(incoming.full_path, 200)}{where}"
        if isinstance(error, MethodNotAllowed):
            return f"{incoming.environ['REQUEST_METHOD']} is not allowed; allowed: {_allowed(error)}"
        return error.description or status_title(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)

    def _docs_path(self, incoming: Incoming) -> str:
        """Return the path of the docs page; empty without one that this client may read."""
        if self._docs is None or self._docs.guard.identify(incoming.environ)[1] is not None:
            return ""
        return self._docs.route.path

    def _with_docs(self, page: str, incoming: Incoming) -> str:
        """Add to an error's page where the endpoints are listed; at `/`, that is all there is to say."""
        path = self._docs_path(incoming)
        if not path:
            return page
        # Relative, so that it also works behind a proxy that puts a prefix before the path.
        href = "./" + "../" * (incoming.path.count("/") - 1) + quote(path.lstrip("/"))
        link = f'<p>The endpoints of this service are listed at <a href="{escape(href)}">{escape(path)}</a>.</p>\n'
        if incoming.path != "/" or "<h1>Not Found</h1>" not in page:
            return page + link
        name = escape(self._title)
        head = f"<!doctype html>\n<html lang=en>\n<title>{name}</title>\n<h1>{name}</h1>\n"
        return f"{head}<p>There is no page at this address.</p>\n{link}"

    def _wants_html(self, incoming: Incoming) -> bool:
        accept = parse_accept_header(incoming.environ.get("HTTP_ACCEPT", "")[:MAX_ACCEPT], MIMEAccept)
        if not accept:
            return self._prefer_html
        as_html = accept["text/html"]
        as_json = max(accept["application/problem+json"], accept["application/json"])
        return as_html > as_json or (as_html == as_json and self._prefer_html)


def _wire_errors(spec: Spec) -> WireErrors | None:
    """Return what writes the errors of protocols, None for a service without any."""
    if all(route.wire is None for route in spec.built_in):
        return None
    from engine.endpoints.protocols.errors import WireErrors  # noqa: PLC0415 - few services have protocols

    return WireErrors(spec)


def _failed(error: Exception, incoming: Incoming) -> Problem:
    """Log a failure of ours, and return what its client may know of it."""
    name, method = request_id(incoming), incoming.environ["REQUEST_METHOD"]
    reason = make_printable(" ".join(f"{type(error).__name__}: {error}".split()))
    logger.error("request %s failed: %s %r: %s", name, method, incoming.path, clip(reason, 300), exc_info=error)
    detail = "the service failed; its log has the reason under this request id"
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail, request_id=name)


def _allowed(error: MethodNotAllowed) -> str:
    return ", ".join(error.valid_methods or ())


def _is_browser(incoming: Incoming) -> bool:
    return "text/html" in incoming.environ.get("HTTP_ACCEPT", "")[:MAX_ACCEPT]


def _page(status: int, headers: Headers, html: str, incoming: Incoming) -> Response:
    """Answer with a page, which is styled for a browser and as short as it was for others."""
    html, more = dress(html) if _is_browser(incoming) else (html, ())
    return Response(status, (*headers, *more), html.encode())


def _write_html(problem: Problem) -> str:
    """Write a problem in the form of Werkzeug's own error pages."""
    items = "".join(f"<li><code>{escape(e['pointer'])}</code> {escape(e['detail'])}</li>" for e in problem.errors)
    text = f"<p>{escape(problem.detail)}</p>" + (f"<ul>{items}</ul>" if items else "")
    text += f"<p>Request id: <code>{problem.request_id}</code></p>" if problem.request_id else ""
    name = status_title(problem.status)
    return f"<!doctype html>\n<html lang=en>\n<title>{problem.status} {name}</title>\n<h1>{name}</h1>\n{text}\n"
