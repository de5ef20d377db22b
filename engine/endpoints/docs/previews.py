"""What a route answers, before anything is sent: a fixed answer itself, or the form of a model's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.endpoints.answering.responding import build_answer, content_type
from engine.endpoints.bodies import BODY_KINDS
from engine.endpoints.messages import encode_any_json
from engine.endpoints.openapi.responses import prediction_schema
from engine.endpoints.problems import status_title
from engine.models import Facts
from engine.spec import DeclaredResponse, Model, Names, Route, SequenceStep

MAX_BYTES = 4000
MAX_CHOICES = 12
_TEXTUAL = ("text/", "application/json", "application/yaml")


@dataclass(frozen=True, slots=True)
class Preview:
    """An answer as the page shows it: its status and media type, and its body or the form of that."""

    status: str
    media_type: str
    body: str


def preview_of(route: Route, model: Model | None, facts: Facts | None, names: Names) -> Preview | None:
    """Show what a route answers, if that is known; None for what the engine adds."""
    if model is not None and facts is not None:
        return Preview("200 OK", "application/json", form_of(prediction_schema(model, facts)))
    if not route.cases:
        return None
    answers = route.cases[-1]  # which answers where no condition is met
    if (sequence := answers.sequence) is not None:
        per = f" per {sequence.per}" if sequence.per is not None else ""
        shown = "\n\n".join(_step(step, names) for step in sequence.steps)
        return Preview(f"Sequence{per}" + (", repeated" if sequence.repeat else ""), "", shown)
    return _preview(answers.responses[0], names)


def _step(step: SequenceStep, names: Names) -> str:
    """Write a response of a sequence, with how often it is given."""
    one = _preview(step.response, names)
    times = f"{step.times} times " if step.times > 1 else ""
    said = " · ".join(filter(None, (f"{times}{one.status}", one.media_type)))
    return "\n".join(filter(None, (said, one.body)))


def _preview(declared: DeclaredResponse, names: Names) -> Preview:
    body = declared.bodies[0] if declared.bodies else None
    kind = content_type(declared, body) if body is not None else ""
    constant = build_answer(declared, names).constant
    shown = ""
    if constant is not None and isinstance(constant.body, bytes):
        shown = _as_text(constant.body, kind)
    elif body is not None and BODY_KINDS[body.kind].is_literal:
        shown = body.content if isinstance(body.content, str) else encode_any_json(body.content).decode()
    return Preview(f"{declared.status} {status_title(declared.status)}", kind.partition(";")[0], shown.rstrip("\n"))


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
