"""Bodies that are JSON values; a string that is one reference alone becomes a value of its own type."""

from __future__ import annotations

from engine.endpoints.bodies.body_kind import BodyKind
from engine.endpoints.bodies.filling import fill_json

JSON = BodyKind(lambda _: "application/json", lambda declared, names: fill_json(declared.content, names), is_json=True)
