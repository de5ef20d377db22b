"""`average: {a: 2, b: 1}`."""

from __future__ import annotations

from collections.abc import Iterator

from engine.diagnostics import Diagnostic
from engine.spec.checking.composing.kind import ComposedEntry, CompositionKind, Parts
from engine.spec.composed_records import Average
from engine.spec.reading.node import Node


def _parts(entry: Node) -> Parts:
    for name, key, _ in entry["average"].pairs():
        yield name, key


def _check(entry: Node) -> Iterator[Diagnostic]:
    weights = entry["average"]
    if len(weights.fields or ()) == 1:
        message = "an average of one model is that model's own answer; name another one, or use the model itself"
        yield weights.error(message, "warning")


def _read(entry: ComposedEntry) -> Average:
    weights = {name: float(weight.plain) for name, _, weight in entry.node["average"].pairs()}
    return Average(weights=weights, **entry.shared)


AVERAGE = CompositionKind("average", lambda entry: "average" in entry, _parts, _check, _read)
