"""The kinds of bodies that a `response` can declare, by their keys in routes.yaml: one module and one row for each."""

from __future__ import annotations

from collections.abc import Mapping

from engine.endpoints.bodies.body_kind import BodyKind
from engine.endpoints.bodies.file_body import FILE
from engine.endpoints.bodies.json_value import JSON
from engine.endpoints.bodies.text_body import HTML, TEXT

BODY_KINDS: Mapping[str, BodyKind] = {
    "file": FILE,
    "html": HTML,
    "json": JSON,
    "text": TEXT,
}
