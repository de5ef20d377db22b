"""The kinds of compositions, and what is checked of all of them: the models they name, cycles, and their inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.diagnostics import Diagnostic
from engine.schema import InstanceSchema
from engine.spec.checking.composing.average import AVERAGE
from engine.spec.checking.composing.chain import CHAIN
from engine.spec.checking.composing.fit import check_fit
from engine.spec.checking.composing.kind import CompositionKind
from engine.spec.checking.composing.switch import SWITCH
from engine.spec.checking.composing.table import TABLE
from engine.spec.checking.schemas import has_form
from engine.spec.reading.node import Node
from engine.text import did_you_mean

KINDS = (CHAIN, AVERAGE, SWITCH, TABLE)
MAX_DEPTH = 20


def kind_of(entry: Node) -> CompositionKind | None:
    """Return what kind of composition an entry is, None if it is a model with a file."""
    return next((kind for kind in KINDS if kind.is_meant(entry)), None)


def check_compositions(models: Node) -> Iterator[Diagnostic]:
    """Return every mistake of compositions that can be found without opening a model."""
    kinds = {name: kind for name, _, entry in models.pairs() if (kind := kind_of(entry)) is not None}
    if not kinds:
        return
    for name, kind in kinds.items():
        entry = models[name]
        schema = entry["input"].plain
        if has_form(schema) and InstanceSchema(schema).form != "object":
            at = entry["input"].follow(("type",))
            yield at.error(
                "the input of a model that asks others must be an object, of which each takes its own properties"
            )
            continue
        yield from kind.check(entry)
        for part, named in kind.parts(entry):
            if part not in models:
                known = did_you_mean(part, (one for one in models.fields or () if one != name), "the others are")
                yield named.error(f'unknown model "{part}" {known}')
            elif kind is not TABLE and all(has_form(one["input"].plain) for one in (entry, models[part])):
                yield from check_fit(entry, part, named, models[part])
    yield from _cycles(models, kinds)


def _cycles(models: Node, kinds: Mapping[str, CompositionKind]) -> Iterator[Diagnostic]:
    """Report each cycle at the place that closes it, and compositions that nest too deeply."""
    depths: dict[str, int] = {}
    found: list[Diagnostic] = []

    def visit(name: str, way: tuple[str, ...]) -> int:
        if name in depths or name not in kinds:
            return depths.get(name, 0)
        here, deepest = (*way, name), 0
        for part, named in kinds[name].parts(models[name]):
            if part in here:
                around = " -> ".join((*here[here.index(part) :], part))
                found.append(
                    named.error(f"these models ask each other in a circle: {around}; change one of these entries")
                )
                continue
            depth = MAX_DEPTH if len(here) > MAX_DEPTH else visit(part, here)
            if depth >= MAX_DEPTH:
                found.append(
                    named.error(f"compositions nest more than {MAX_DEPTH} deep here; name a model with a file")
                )
                depth = 0
            deepest = max(deepest, depth)
        depths[name] = 1 + deepest
        return depths[name]

    for name in kinds:
        visit(name, ())
    yield from found
