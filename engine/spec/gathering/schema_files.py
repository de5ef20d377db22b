"""`$ref: "schemas/user.yaml#/User"` in a JSON Schema → one document that has the target among its `$defs`.

Nothing after this reads another file, and nothing is fetched. Every piece of the document keeps its place in its file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from urllib.parse import unquote, urldefrag

from engine.diagnostics import Diagnostic
from engine.errors import SpecError
from engine.schema import clip
from engine.schema.documents import Place as Pointer
from engine.schema.documents import References
from engine.spec.gathering.lifted_parameters import lift_parameters
from engine.spec.gathering.placed_routes import PlacedRoute
from engine.spec.gathering.schema_places import (
    allow_anything,
    base_in,
    explain_nothing,
    follow,
    is_file_reference,
    leads_out,
    mapping_with,
    references_of,
    unescape_step,
)
from engine.spec.gathering.spec_files import SpecFiles, TooMuch, locate
from engine.spec.gathering.whole_conditions import make_cases_whole
from engine.spec.gathering.whole_schema import Target, WholeSchema
from engine.spec.reading.node import Node

MAX_COPIED = 5_000_000
_PARAMETERS = ("cookies", "headers", "path_parameters", "query")


class SchemaFiles:
    """Makes schemas whole, and adds mistakes in their references to `found`."""

    def __init__(self, files: SpecFiles, found: list[Diagnostic]) -> None:
        self.files = files
        self._found = found
        self._whole: dict[Node, Node] = {}
        self._same: dict[Target, Node] = {}
        self._lifted: dict[Node, Node] = {}
        self._references: dict[str, References] = {}
        self._copied = 0

    def make_whole(self, schema: Node) -> Node:
        """Return a schema with all schemas of files that it refers to; itself if there are none."""
        if schema not in self._whole:
            self._whole[schema] = self._resolve(schema) if leads_out(schema) else schema
        return self._whole[schema]

    def _resolve(self, schema: Node) -> Node:
        """Return the whole schema; schemas that only refer to the same target share one."""
        reference = schema["$ref"]
        if set(schema.plain) != {"$ref"} or not is_file_reference(reference):
            return WholeSchema(self, schema).make()
        try:
            target = self.target(reference, reference.text or "")
        except SpecError as error:
            self.report(error)
            return allow_anything(schema)
        if target not in self._same:
            self._same[target] = WholeSchema(self, schema).make()
        return self._same[target]

    def make_definitions_whole(self, name: str, root: Node) -> Iterator[Node]:
        """Yield the schemas under the `$defs` at the top of a file, each made whole."""
        for key, _, schema in root["$defs"].pairs():
            yield WholeSchema(self, schema, (name, ("$defs", key))).make()

    def make_route_whole(self, placed: PlacedRoute) -> PlacedRoute:
        """Return a route with whole schemas, those of its conditions too."""
        node = self.make_fields_whole(placed.node, ("input", *_PARAMETERS))
        node = _with_fields(node, {key: self._lift(node[key]) for key in _PARAMETERS if key in node})
        return replace(placed, node=make_cases_whole(node, self.make_whole))

    def make_models_whole(self, root: Node) -> Node:
        """Return the document of models.yaml with whole inputs."""
        models = root["models"]
        if models.fields is None:
            return root
        fields = {
            name: (key, self.make_fields_whole(model, ("input",))) for name, (key, model) in models.fields.items()
        }
        if all(models[name] is model for name, (_, model) in fields.items()):
            return root
        return mapping_with(root, {**(root.fields or {}), "models": (root.key("models"), mapping_with(models, fields))})

    def make_fields_whole(self, node: Node, keys: Iterable[str]) -> Node:
        """Return a mapping with the schemas under some of its keys made whole; itself if that changes nothing."""
        return _with_fields(node, {key: self.make_whole(node[key]) for key in keys if node[key].fields is not None})

    def _lift(self, schema: Node) -> Node:
        """Return the schema of parameters with all of them among its properties, the same one for all of its routes."""
        if schema not in self._lifted:
            self._lifted[schema] = lift_parameters(schema)
        return self._lifted[schema]

    def target(self, at: Node, reference: str, home: str | None = None, base: str = "") -> Target:
        """Find the target of a reference; raise `SpecError`.

        `home` is the file that has it, with the `base` there; None for a schema in one of the spec's own files.
        """
        if home is not None and (inside := self.inside(reference, home, base, at)) is not None:
            return home, inside
        address, fragment = urldefrag(reference)
        name = self._locate(unquote(address), at) if address else home or ""
        root = self.root(name, at)
        if not fragment:
            return self._sound(name, (), at)
        if fragment.startswith("/"):
            pointer: Pointer | None = tuple(map(unescape_step, unquote(fragment).split("/")[1:]))
            pointer = pointer if pointer is not None and follow(root, pointer).present else None
        else:
            pointer = self._references_in(name, at).target(base_in(root.plain), f"#{fragment}")
        if pointer is None:
            raise at.mistake(f'$ref "{clip(reference)}": {explain_nothing(root, name, unquote(fragment))}')
        return self._sound(name, pointer, at)

    def _sound(self, name: str, pointer: Pointer, at: Node) -> Target:
        node = follow(self.root(name, at), pointer)
        if node.fields is None and not isinstance(node.plain, bool):
            raise node.mistake("not a JSON Schema: a schema is a mapping, or true or false")
        return name, pointer

    def root(self, name: str, at: Node) -> Node:
        """Read a file for the reference at a node; raise `SpecError`."""
        return self.files.read_once(name, at, "referred to at")

    def base(self, name: str, at: Node) -> str:
        """Return the base of references in a file."""
        return base_in(self.root(name, at).plain)

    def count(self, at: Node, node: Node) -> None:
        """Count the values of a schema that is put into another; raise `TooMuch` for too many."""
        self._copied += node.size
        if self._copied > MAX_COPIED:
            message = f"schemas with more than {MAX_COPIED:,} values in all would be put in the places of references"
            raise TooMuch([at.error(f"$ref: {message}")])

    def report(self, error: SpecError) -> None:
        """Add mistakes; raise those after which nothing is read any more."""
        if isinstance(error, TooMuch):
            raise error
        self._found += error.diagnostics

    def inside(self, reference: str, home: str | None, base: str, at: Node) -> Pointer | None:
        """Return the place in its own file that a reference leads to."""
        return None if home is None else self._references_in(home, at).target(base, reference)

    def _locate(self, name: str, at: Node) -> str:
        try:
            found = locate(name, at)
            self.files.require(found, at)
        except ValueError as error:
            raise at.mistake(f"$ref: {error}") from None
        return found

    def _references_in(self, name: str, at: Node) -> References:
        if name not in self._references:
            self._references[name] = references_of(self.root(name, at).plain)
        return self._references[name]


def _with_fields(node: Node, values: Mapping[str, Node]) -> Node:
    """Return a mapping with other values under some of its keys; itself if they are the same."""
    changed = {key: (node.key(key), value) for key, value in values.items() if value is not node[key]}
    return mapping_with(node, {**(node.fields or {}), **changed}) if changed else node
