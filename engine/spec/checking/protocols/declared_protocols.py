"""The protocols under `service: protocols`, as a list of names or as a mapping of their settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.spec.checking.protocols.wire_paths import WirePath, paths_of
from engine.spec.protocol_records import PROTOCOLS, SINGLE, Protocol, ProtocolName
from engine.spec.reading.node import Node


@dataclass(frozen=True, slots=True)
class DeclaredProtocol:
    """A protocol as the spec names it, at `place`, with its settings, which may be absent."""

    name: ProtocolName
    place: Node
    settings: Node

    def models(self, known: tuple[str, ...]) -> tuple[str, ...]:
        """Return the models that it serves, of those that are known: those that are named, else all."""
        chosen, several = self.settings["model"], self.settings["models"]
        names = (chosen.text,) if chosen.present else (one.text for one in several.items) if several.present else known
        return tuple(name for name in names if name is not None and name in known)

    def paths(self, known: tuple[str, ...]) -> list[WirePath]:
        """Return its paths; one of a single model serves the first, for as long as it names none of several."""
        return list(paths_of(Protocol(name=self.name, models=self.models(known)[: 1 if self.name in SINGLE else None])))


def declared_protocols(service: Node) -> Iterator[DeclaredProtocol]:
    """Yield the protocols of a service, in their order."""
    node = service["protocols"]
    for item in node.items:
        if item.text in PROTOCOLS:
            yield DeclaredProtocol(item.text, item, item["settings"])
    for name, key, settings in node.pairs():
        if name in PROTOCOLS:
            yield DeclaredProtocol(name, key, settings)


def model_names(models: Node | None) -> tuple[str, ...]:
    """Return the names of the models of a models' file, none where it is broken."""
    return () if models is None else tuple(name for name, _, _ in models.pairs())
