"""What a JSON Schema says of a value, found out once for all stages: types, default and bounds, wherever they stand.

These records describe values, for columns, forms and texts; only `Validator` judges a value. They keep what they have
found out, so that a request costs nothing, and an input with thousands of features only what is asked of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, KeysView, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal
from urllib.parse import unquote

from engine.schema.validator import Validator

JSON_TYPES = frozenset(("array", "boolean", "null", "number", "object", "string"))
MAX_REFERENCES = 20
_KINDS = (("null", type(None)), ("boolean", bool), ("number", int | float), ("string", str), ("array", list))


class Subschema:
    """A schema in a `document`, to whose definitions its references lead; `schema` is what was written, as it is.

    A reference that leads back to itself, or to no other part of the document, says nothing.
    """

    def __init__(self, schema: Any, document: Any, followed: frozenset[str] = frozenset()) -> None:
        self.schema = schema
        self.document = document
        self._followed = followed
        self.own: Mapping[str, Any] = schema if isinstance(schema, Mapping) else {}  # the keywords written here

    def part(self, schema: Any) -> Subschema:
        """Return another schema of the same document."""
        return Subschema(schema, self.document)

    @cached_property
    def types(self) -> frozenset[str]:
        """The JSON types that the schema may allow, an integer being a number; never too few."""
        types = JSON_TYPES
        if "type" in self.own:
            types &= {"number" if name == "integer" else name for name in self._named_types}
        if "enum" in self.own:
            types &= set(map(_type_of, self.own["enum"]))
        if "const" in self.own:
            types &= {_type_of(self.own["const"])}
        for part in self.together:
            types &= part.types
        for branches in self.alternatives:
            types &= frozenset().union(*(branch.types for branch in branches))
        return types

    @property
    def is_nullable(self) -> bool:
        """Whether the value may be null."""
        return "null" in self.types

    @cached_property
    def applied(self) -> list[Mapping[str, Any]]:
        """The keywords of every schema that applies to a value besides null: its own, of references, in allOf."""
        others = [[branch for branch in one if branch.types != {"null"}] for one in self.alternatives]
        alone = [one[0] for one in others if len(one) == 1]
        return [self.own, *(own for part in (*self.together, *alone) for own in part.applied)]

    @cached_property
    def is_whole(self) -> bool:
        """Whether the schema certainly allows no numbers but integers."""
        if self._named_types and "number" not in self._named_types:
            return True
        if "enum" in self.own or "const" in self.own:
            return not any(isinstance(value, float) for value in self.own.get("enum", [self.own.get("const")]))
        if any(part.is_whole for part in self.together):
            return True
        return any(all(branch.is_whole for branch in branches) for branches in self.alternatives)

    @cached_property
    def default(self) -> Any:
        """The value of an absent one, None if there is none: written here or where the reference leads."""
        return self.written("default")

    @cached_property
    def has_default(self) -> bool:
        """Whether there is a default, which may be null."""
        return "default" in self.own or any(target.has_default for target in self._referred)

    @cached_property
    def listed(self) -> tuple[Any, ...]:
        """The scalars of its enum, in the order in which pandas makes categories of them: sorted."""
        kept = [value for value in self.written("enum") or () if isinstance(value, str | int | float)]
        try:
            return tuple(sorted(kept))
        except TypeError:
            return tuple(kept)

    @cached_property
    def said(self) -> Mapping[str, Any]:
        """All keywords that apply to the value: those of references, and of the only alternative besides null, too."""
        return self.combined(1)

    @cached_property
    def usual(self) -> Subschema:
        """The schema with all keywords that apply if the first of several alternatives is taken, null left aside."""
        return self.part(self.combined(None))

    @cached_property
    def validator(self) -> Validator:
        """Judges a value by this schema alone, without formats."""
        return self.compiled(formats=False)

    def compiled(self, *, formats: bool) -> Validator:
        """Compile this schema alone, with or without formats."""
        if self.schema is self.document:
            return Validator(self.schema, formats=formats)
        return Validator.of_part(self.document, self.schema, formats=formats)

    @property
    def takes(self) -> Callable[[Any], bool]:
        """The quick verdict of `validator`."""
        return self.validator.is_valid

    def combined(self, most: int | None) -> Mapping[str, Any]:
        """Combine the keywords; the schema's own count first. Alternatives are left out if more than `most` remain."""
        others = [[branch for branch in one if branch.types != {"null"}] for one in self.alternatives]
        taken = [branch for one in others if most is None or len(one) <= most for branch in one[:1]]
        said: dict[str, Any] = {}
        for part in (*self._referred, *taken, *self._inside("allOf")):
            said.update(part.combined(most))
        return {**said, **self.own}

    def written(self, keyword: str) -> Any:
        """Return the value of a keyword here, or else where the reference leads; None if there is none."""
        if keyword in self.own:
            return self.own[keyword]
        return next((target.written(keyword) for target in self._referred), None)

    @property
    def _named_types(self) -> Sequence[str]:
        named = self.own.get("type") or ()
        return [named] if isinstance(named, str) else named

    @property
    def _referred(self) -> list[Subschema]:
        """The schema that the reference leads to, none without one."""
        reference = str(self.own.get("$ref", ""))
        if not reference.startswith("#/") or reference in self._followed or len(self._followed) >= MAX_REFERENCES:
            return []
        return [Subschema(_lookup(self.document, reference), self.document, self._followed | {reference})]

    @property
    def together(self) -> list[Subschema]:
        """The schemas that apply together with this one."""
        return [*self._referred, *self._inside("allOf")]

    @property
    def alternatives(self) -> list[list[Subschema]]:
        """The branches of each `anyOf` and `oneOf`."""
        return [self._inside(keyword) for keyword in ("anyOf", "oneOf") if keyword in self.own]

    def _inside(self, keyword: str) -> list[Subschema]:
        return [Subschema(part, self.document, self._followed) for part in self.own.get(keyword, ())]


class InstanceSchema(Subschema):
    """The schema of an instance, a document of its own, with those of its features.

    Features are what the document itself declares as `properties` or items, not what a reference leads to.
    """

    def __init__(self, document: Any) -> None:
        super().__init__(document, document)
        self.least_items: int = self.own.get("minItems", 0)
        self.most_items: int | None = self.own.get("maxItems")

    @cached_property
    def form(self) -> Literal["object", "array", "value"]:
        """What an instance is."""
        return "object" if self.types == {"object"} else "array" if self.types == {"array"} else "value"

    @cached_property
    def properties(self) -> Mapping[str, Subschema]:
        """The features of an object, in their order."""
        return {name: self.part(schema) for name, schema in self.own.get("properties", {}).items()}

    @cached_property
    def required(self) -> KeysView[str]:
        """The names of the features that an object must have, in their order."""
        return dict.fromkeys(self.own.get("required", ())).keys()

    @cached_property
    def prefix(self) -> Sequence[Subschema]:
        """The first items of an array, where they have schemas of their own."""
        return [self.part(schema) for schema in self.own.get("prefixItems", ())]

    @cached_property
    def items(self) -> Subschema:
        """Each item of an array after these."""
        return self.part(self.own.get("items", True))

    def feature(self, key: str | int) -> Subschema:
        """Return a property of an object, an item of an array, or the whole of another instance."""
        if self.form == "object":
            return self.properties.get(str(key)) or self.part(True)
        if self.form == "array" and isinstance(key, int):
            return self.prefix[key] if key < len(self.prefix) else self.items
        return self

    def without(self, names: Collection[str]) -> InstanceSchema:
        """Return an object's schema without some of its properties."""
        if not names:
            return self
        properties = {name: part.schema for name, part in self.properties.items() if name not in names}
        required = [name for name in self.required if name not in names]
        rest = {keyword: value for keyword, value in self.own.items() if keyword != "required"}
        return InstanceSchema({**rest, **({"required": required} if required else {}), "properties": properties})


def _lookup(document: Any, reference: str) -> Any:
    """Return the target of a reference such as `#/$defs/size`; `True`, which allows everything, if there is none."""
    for token in unquote(reference[2:]).split("/"):
        token = token.replace("~1", "/").replace("~0", "~")  # noqa: PLW2901
        if not isinstance(document, Mapping) or token not in document:
            return True
        document = document[token]
    return document


def _type_of(value: Any) -> str:
    return next((name for name, kind in _KINDS if isinstance(value, kind)), "object")
