"""A JSON Schema that becomes schemas of an OpenAPI document: itself, and each of its `$defs`, once for all routes.

A file of schemas is put into every schema that refers to it, so that the same definition comes many times. Two are the
same if they have the same name and say the same, and so do those to which they refer, also in a circle.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from engine.endpoints.openapi.component_names import pascal_case
from engine.endpoints.openapi.references import move_references
from engine.schema.documents import Place, References, base_of, write_fragment

HOME = "#/components/schemas/"
ROOT = None
Key = str | None
"""A schema of a document: one of its `$defs`, or `ROOT` for the document without them."""
Target = tuple[Key, Place]


@dataclass(frozen=True, slots=True)
class Form:
    """A schema without its references, as text, and their targets in order."""

    text: str
    targets: tuple[tuple[str, Place], ...]


class SharedSchemas:
    """The schemas of documents that have been added: their forms, whose targets are others of them, and their names."""

    def __init__(self) -> None:
        self.forms: dict[str, Form] = {}
        self._named: dict[str, list[str]] = {}

    def named(self, wanted: str) -> list[str]:
        """Return the schemas that were added under a name, without the numbers that tell equal names apart."""
        return self._named.setdefault(wanted.rstrip("0123456789"), [])


class Home(Protocol):
    """Where the schemas go."""

    schemas: dict[str, Any]

    def reserve(self, name: str) -> str: ...


class MovedDocument:
    """A document whose schemas are added when something refers to them; `name` is that of the document itself."""

    def __init__(self, name: str, document: Mapping[str, Any], components: Home, shared: SharedSchemas) -> None:
        self._name = name
        self._document = document
        self._components = components
        self._shared = shared
        self._references = References(document)
        self._base = base_of(document)
        self._root = {key: value for key, value in document.items() if key != "$defs"}
        self._homes: dict[Key, str] = {}
        self._forms: dict[Key, tuple[str, list[Target]]] = {}

    def home(self, key: Key) -> str:
        """Return the name under which a schema is, and add it if it is not there yet."""
        if key not in self._homes and (only := self._only_target(key)) is not None:
            self._homes[key] = self.home(only)
        if key not in self._homes:
            wanted = self._name if key is ROOT else pascal_case(key)
            named = self._shared.named(wanted)
            if not any(self._match(key, known) for known in named):
                self._add(key, self._components.reserve(wanted), named)
        return self._homes[key]

    def properties(self) -> Mapping[str, Any]:
        """Return the properties of the document with their references led to components."""
        moved: Mapping[str, Any] = self._moved({"properties": self._document["properties"]}, self._base)["properties"]
        return moved

    def _only_target(self, key: Key) -> Key:
        """Return the definition to which the document only refers; None if it says more, or for another schema."""
        if key is not ROOT or self._root.keys() != {"$ref"}:
            return None
        place = self._references.target(self._base, self._root["$ref"])
        found, below = _schema_of(place) if place is not None else (ROOT, ())
        return None if below else found

    def _add(self, key: Key, name: str, named: list[str]) -> None:
        self._homes[key] = name
        named.append(name)
        self._components.schemas[name] = {}  # takes its place before those to which it refers
        self._components.schemas[name] = self._moved(self._schema(key), "" if key is ROOT else self._base)
        text, targets = self._form(key)
        self._shared.forms[name] = Form(text, tuple((self.home(one), below) for one, below in targets))

    def _match(self, key: Key, name: str) -> bool:
        """Return whether a schema says the same as one that has been added, and note that it is there if it does."""
        assumed: dict[Key, str] = {}
        waiting = [(key, name)]
        while waiting:
            key, name = waiting.pop()
            known = self._homes.get(key) or assumed.get(key)
            if known is not None and known != name:
                return False
            if known is not None:
                continue
            assumed[key] = name
            form = self._shared.forms.get(name)
            text, targets = self._form(key)
            if form is None or text != form.text or [one[1] for one in targets] != [one[1] for one in form.targets]:
                return False
            waiting += [(one, other) for (one, _), (other, _) in zip(targets, form.targets, strict=True)]
        self._homes |= assumed
        return True

    def _schema(self, key: Key) -> Any:
        return self._root if key is ROOT else self._document["$defs"][key]

    def _form(self, key: Key) -> tuple[str, list[Target]]:
        if key not in self._forms:
            self._forms[key] = self._read_form(key)
        return self._forms[key]

    def _read_form(self, key: Key) -> tuple[str, list[Target]]:
        targets: list[Target] = []

        def note(place: Place) -> str:
            targets.append(_schema_of(place))
            return "#"

        base = "" if key is ROOT else self._base
        return json.dumps(move_references(self._schema(key), base, self._references, note)), targets

    def _moved(self, schema: Any, base: str) -> Any:
        def lead(place: Place) -> str:
            key, below = _schema_of(place)
            return HOME + self.home(key) + write_fragment(below)

        return move_references(schema, base, self._references, lead)


def _schema_of(place: Place) -> Target:
    """Return the schema that is at a place in a document, or around it, and the place in that one."""
    return (place[1], place[2:]) if place[:1] == ("$defs",) and place[1:] else (ROOT, place)
