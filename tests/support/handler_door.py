"""A handler as a WSGI app, which asks it as a worker does: first for a quick answer."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

from engine.endpoints.problems import status_title
from engine.flask_app import App
from engine.handling import Handler, Incoming, WireAnswer


class Door:
    """The handler of an app."""

    def __init__(self, app: App) -> None:
        self.handler = app.handler

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        status, headers, body = answer_of(self.handler, dict(environ))
        start_response(f"{status} {status_title(status)}", headers)
        return [body] if isinstance(body, bytes) else body


def answer_of(handler: Handler, environ: dict[str, Any]) -> WireAnswer:
    """Return a handler's answer; a body that is as long as it should be is read first, as a worker does it."""
    incoming = Incoming(environ)
    sent = environ["wsgi.input"].read()
    if "HTTP_TRANSFER_ENCODING" not in environ and environ.get("CONTENT_LENGTH", "0") in ("", str(len(sent))):
        incoming.body = sent
        if (answer := handler.quick(incoming)) is not None:
            return answer
    environ["wsgi.input"] = io.BytesIO(sent)
    return handler.respond(incoming)
