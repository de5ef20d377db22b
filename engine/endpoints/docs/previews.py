"""What a route answers, before anything is sent: a fixed answer itself, or the form of a model's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.endpoints.bodies import BODY_KINDS
from engine.endpoints.fixed import build_response, content_type
from engine.endpoints.messages import encode_any_json
from engine.endpoints.openapi.responses import prediction_schema
from engine.endpoints.problems import status_title
from engine.models import Facts
from engine.spec import FixedResponse, Model, Route, SequenceStep

MAX_BYTES = 4000
MAX_CHOICES = 12
_TEXTUAL = ("text/", "application/json", "application/yaml")


@dataclass(frozen=True, slots=True)
class Preview:
    """An answer as the page shows it: its status and media type, and its body or the form of that."""

    status: str
    media_type: str
    body: str


def preview_of(route: Route, model: Model | None, facts: Facts | None) -> Preview | None:
    """Show what a route answers, if that is known; None for what the engine adds."""
    if model is not None and facts is not None:
        return Preview("200 OK", "application/json", form_of(prediction_schema(model, facts)))
    if route.sequence is not None:
        per = f" per {route.sequence.per}" if route.sequence.per else ""
        shown = "\n\n".join(_shown_step(step, route) for step in route.sequence.steps)
        return Preview(f"Sequence{per}" + (", repeated" if route.sequence.repeat else ""), "", shown)
    return None if route.response is None else _preview(route.response, route)


def _shown_step(step: SequenceStep, route: Route) -> str:
    """Write a response of a sequence, with what is said of it."""
    one = _preview(step.response, route)
    times = f"{step.times} times " if step.times > 1 else ""
    said = " · ".join(filter(None, (f"{times}{one.status}", one.media_type)))
    return "\n".join(filter(None, (said, one.body)))


def _preview(declared: FixedResponse, route: Route) -> Preview:
    kind, body = content_type(declared), ""
    constant = build_response(route, declared).constant
    if constant is not None and isinstance(constant.body, bytes):
        body = _as_text(constant.body, kind)
    elif BODY_KINDS[declared.kind].is_literal:
        body = declared.content if isinstance(declared.content, str) else encode_any_json(declared.content).decode()
    return Preview(f"{declared.status} {status_title(declared.status)}", kind.partition(";")[0], body.rstrip("\n"))


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
