"""What a route answers, before anything is sent: a fixed answer itself, or the form of a model's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from engine.endpoints.answering.responding import build_answer, content_type
from engine.endpoints.bodies import BODY_KINDS
from engine.endpoints.messages import encode_any_json
from engine.endpoints.openapi.responses import prediction_schema
from engine.endpoints.problems import status_title
from engine.models import Facts
from engine.spec import DeclaredBody, DeclaredResponse, Model, Names, Route

MAX_BYTES = 4000
MAX_CHOICES = 12
MAX_LINE = 60
REDIRECTIONS = range(300, 400)
_TEXTUAL = ("text/", "application/json", "application/yaml")


@dataclass(frozen=True, slots=True)
class Preview:
    """An answer as the page shows it: its status, its media type, its body or the form of that, and who gets it.

    `location` is where a redirection leads, as the spec has it.
    """

    status: str
    media_type: str
    body: str
    which: str = ""
    location: str = ""


def preview_of(route: Route, model: Model | None, facts: Facts | None, names: Names) -> Preview | None:
    """Show what a route answers to each request; None if that depends, and for what the engine adds."""
    if model is not None and facts is not None and not route.cases:
        return Preview("200 OK", "application/json", form_of(prediction_schema(model, facts)))
    if len(route.cases) != 1 or route.is_faulty or route.on_failure is not None:
        return None
    response = route.cases[0].response
    return None if response is None or len(response.bodies) > 1 else next(preview_bodies(response, names))


def preview_bodies(declared: DeclaredResponse, names: Names) -> Iterator[Preview]:
    """Show each body of a response; a response without any has one preview too."""
    status = f"{declared.status} {status_title(declared.status)}"
    location = _location(declared)
    for body in declared.bodies:
        shown = _shown(replace(declared, bodies=(body,)), body, names)
        media_type = content_type(declared, body).partition(";")[0]
        yield Preview(status, media_type, shown.rstrip("\n"), location=location)
    if not declared.bodies:
        yield Preview(status, "", "", location=location)


def _location(declared: DeclaredResponse) -> str:
    if declared.status not in REDIRECTIONS:
        return ""
    return next((value for name, value in declared.headers if name.lower() == "location"), "")


def _shown(declared: DeclaredResponse, body: DeclaredBody, names: Names) -> str:
    constant = build_answer(declared, names).constant
    if constant is not None and isinstance(constant.body, bytes):
        return _as_text(constant.body, content_type(declared, body))
    if not BODY_KINDS[body.kind].is_literal:
        return ""
    return body.content if isinstance(body.content, str) else _laid_out(body.content)


def _laid_out(content: Any) -> str:
    """Write JSON in one line, or in several if it is long."""
    written = encode_any_json(content).decode().rstrip("\n")
    return written if len(written) <= MAX_LINE else json.dumps(content, ensure_ascii=False, indent=2)


def _as_text(body: bytes, kind: str) -> str:
    if not body:
        return ""
    if not kind.startswith(_TEXTUAL) or len(body) > MAX_BYTES:
        return f"({len(body):,} bytes)"
    return body.decode("utf-8", "replace")


def form_of(schema: Any, indent: str = "") -> str:
    """Write the form of what a schema describes, as TypeScript would: `{"result": [integer, …]}`."""
    if not isinstance(schema, Mapping):
        return "any value"
    if "enum" in schema:
        rest = " | …" if len(schema["enum"]) > MAX_CHOICES else ""
        return " | ".join(json.dumps(one, ensure_ascii=False) for one in schema["enum"][:MAX_CHOICES]) + rest
    if "properties" in schema:
        inner = indent + "  "
        members = list(schema["properties"].items())
        more = [f"{inner}…"] if len(members) > MAX_CHOICES else []
        lines = [
            f"{inner}{json.dumps(name, ensure_ascii=False)}: {form_of(part, inner)}"
            for name, part in members[:MAX_CHOICES]
        ]
        return "{\n" + ",\n".join([*lines, *more]) + f"\n{indent}}}"
    if schema.get("type") == "array":
        item = form_of(schema.get("items"), indent)
        count = schema.get("maxItems")
        return f"[{item}, …{f' ({count} items)' if count else ''}]"
    return str(schema.get("type", "any value"))
