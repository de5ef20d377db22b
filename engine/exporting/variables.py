"""The variables of the environment that a spec names. Their values never leave the spec."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.spec import Source, Spec, variables_in


@dataclass(frozen=True, slots=True, order=True)
class Variable:
    """A variable of the environment; one that is not required has a default everywhere."""

    name: str
    is_required: bool


def variables_of(spec: Spec) -> tuple[Variable, ...]:
    """Return the variables of both files, of those they include, and of the API keys, by name."""
    required: dict[str, bool] = {}
    for name, is_required in _named(spec):
        required[name] = required.get(name, False) or is_required
    return tuple(sorted(Variable(name, needed) for name, needed in required.items()))


def _named(spec: Spec) -> Iterator[tuple[str, bool]]:
    for source in _sources(spec):
        yield from variables_in(source)
    keys = spec.service.auth.node["api_keys"].items if spec.service.auth is not None else ()
    yield from ((key["env"].text, True) for key in keys if key["env"].text)


def _sources(spec: Spec) -> set[Source]:
    own = {spec.service.node.source, *(model.node.source for model in spec.models.values())}
    return own | set(spec.files.values())
