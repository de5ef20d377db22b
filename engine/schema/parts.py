"""A schema as a tree of parts, each of which can validate a value on its own; only the library gives verdicts.

A part is compiled when it is first used, which takes a few microseconds, and is kept as long as the schema.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

import jsonschema_rs

from engine.schema.documents import Place, References, base_of, parts_of, write_fragment

METASCHEMA = "https://json-schema.org/draft/2020-12/schema"
_BASE = "document:///"
_SAME_OBJECT = ("allOf", "anyOf", "oneOf", "dependentSchemas")

SchemaError = jsonschema_rs.ValidationError
IsValid = Callable[[Any], bool]

# The keywords that validate, in the order in which violations are listed: cheap ones first, as in the library.
_ORDER = {
    keyword: number
    for number, keyword in enumerate(
        "type const enum minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength pattern "
        "format minItems maxItems uniqueItems minProperties maxProperties required dependentRequired properties "
        "patternProperties additionalProperties items prefixItems propertyNames dependentSchemas contains allOf anyOf "
        "oneOf not if $ref $dynamicRef unevaluatedItems unevaluatedProperties".split()
    )
}


def compile_schema(schema: Any, *, formats: bool = False, **options: Any) -> jsonschema_rs.Draft202012Validator:
    """Compile a schema; raise `SchemaError` if it is invalid, or refers to a document that is not available.

    With `formats`, the keyword `format` is checked; unknown formats are ignored.
    """
    return jsonschema_rs.Draft202012Validator(
        schema,
        validate_formats=formats,
        formats=_OWN_FORMATS if formats else None,
        retriever=_refuse,
        pattern_options=jsonschema_rs.RegexOptions(),
        **options,
    )


_is_host, _is_regex, _is_time = (
    jsonschema_rs.Draft202012Validator({"format": name}, validate_formats=True).is_valid
    for name in ("idn-hostname", "regex", "date-time")
)
# Replaces `date-time` where a time may leave out its offset from UTC: JSON Schema has no such format.
LOCAL_TIME = "local-date-time"
_OWN_FORMATS: dict[str, IsValid] = {  # for longer texts, the library needs more memory than a request may use
    "idn-hostname": lambda text: len(text) <= 253 and _is_host(text),  # noqa: PLR2004
    "regex": lambda text: len(text) <= 10_000 and _is_regex(text),  # noqa: PLR2004
    LOCAL_TIME: lambda text: _is_time(text) or _is_time(f"{text}Z"),
}


def _refuse(uri: str) -> Any:
    raise LookupError(f"{uri} is not part of the document, and nothing is fetched")


class Document:
    """A whole schema, and the parts of it that were used; with `formats`, `format` is checked."""

    def __init__(self, schema: Any, *, formats: bool = False) -> None:
        self.schema = schema
        self.formats = formats
        self.uri = base_of(schema, _BASE)
        self._parts: dict[Place, Part] = {}

    @cached_property
    def references(self) -> References:
        return References(self.schema)

    @cached_property
    def registry(self) -> jsonschema_rs.Registry:
        """The library's own index of the document, for parts that refer to others."""
        return jsonschema_rs.Registry([(self.uri, self.schema)], retriever=_refuse)

    @cached_property
    def is_opaque(self) -> bool:
        """Return whether some reference depends on the path to a schema, or leads out of the document.

        A part alone would then have other verdicts.
        """
        return any(target is None for part in _all_parts(self.part(())) for target in part.targets())

    def part(self, place: Place) -> Part:
        known = self._parts.get(place)
        if known is None:
            known = self._parts[place] = Part(self, place)
        return known


class Part:
    """One schema of a document; `path` leads to it, and `rules` are its validating keywords, in order."""

    def __init__(self, document: Document, place: Place) -> None:
        self.document = document
        self.place = place
        self.schema, self.path, self._base = _locate(document.schema, place)
        fields = self.schema if isinstance(self.schema, Mapping) else {}
        judging = _ORDER.keys() & fields.keys() - (set() if document.formats else {"format"})
        self.rules = sorted(judging, key=_ORDER.__getitem__)
        self.weight: float | None = None  # as `costs` computes it
        self.prices: dict[str, float] = {}
        self._judges: dict[str, IsValid] = {}

    @cached_property
    def is_valid(self) -> IsValid:
        """The library's verdict on this part."""
        return self._compiled.is_valid

    def unevaluated(self, value: Any) -> list[str]:
        """Name the unevaluated properties of an object that has no other fault."""
        try:
            self._compiled.validate(value)
        except SchemaError as error:
            if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.UnevaluatedProperties):
                return error.kind.unexpected
        return []

    @cached_property
    def _compiled(self) -> jsonschema_rs.Draft202012Validator:
        if not self.place or not any(_refers(part.schema) for part in _all_parts(self)):
            return compile_schema(self.schema, formats=self.document.formats)
        reference = {"$ref": f"{self.document.uri}#{write_fragment(self.place)}"}
        return compile_schema(reference, formats=self.document.formats, registry=self.document.registry)

    def judge(self, keyword: str) -> IsValid:
        """Return the library's verdict on one keyword that depends on no other."""
        known = self._judges.get(keyword)
        if known is None:
            known = self._judges[keyword] = compile_schema(
                {keyword: self.schema[keyword]}, formats=self.document.formats
            ).is_valid
        return known

    def matches(self, pattern: str) -> IsValid:
        """Return the library's verdict on a pattern among `patternProperties`."""
        known = self._judges.get(f"pattern {pattern}")
        if known is None:
            known = self._judges[f"pattern {pattern}"] = compile_schema({"pattern": pattern}).is_valid
        return known

    def sub(self, *steps: str) -> Part:
        """Return a subschema."""
        return self.document.part((*self.place, *steps))

    def subs(self, keyword: str) -> list[Part]:
        """Return the schemas that a keyword has in a list, or by name."""
        held = self.schema.get(keyword, ())
        return [self.sub(keyword, str(step)) for step in (held if isinstance(held, Mapping) else range(len(held)))]

    def beside(self, name: str) -> list[Part]:
        """Return the schemas of a property in all subschemas that apply to the same object."""
        return self._beside.get(name, [])

    @cached_property
    def names_are_known(self) -> bool:
        """Whether `beside` and `patterns_beside` cover every property that `unevaluatedProperties` does not."""
        return not any(
            "additionalProperties" in part.schema
            or (part is not self and "unevaluatedProperties" in part.schema)
            or None in part.targets()
            for part in self._of_same_object
        )

    @cached_property
    def patterns_beside(self) -> list[tuple[Part, str]]:
        """The patterns of properties in all subschemas that apply to the same object, with their part."""
        return [(part, one) for part in self._of_same_object for one in part.schema.get("patternProperties", ())]

    @cached_property
    def _beside(self) -> dict[str, list[Part]]:
        found: dict[str, list[Part]] = {}
        for part in self._of_same_object:
            for name in part.schema.get("properties", ()):
                found.setdefault(name, []).append(part.sub("properties", name))
        return found

    @cached_property
    def _of_same_object(self) -> list[Part]:
        """Return the part and all subschemas that apply to the same object, except those that are true or false."""
        found: list[Part] = []
        waiting, seen = [self], {self.place}
        while waiting:
            part = waiting.pop()
            if not isinstance(part.schema, Mapping):
                continue
            found.append(part)
            inside = [sub for keyword in _SAME_OBJECT for sub in part.subs(keyword)]
            inside += [part.sub(keyword) for keyword in ("if", "then", "else") if keyword in part.schema]
            for sub in (*inside, *part.candidates()):
                if sub.place not in seen:
                    seen.add(sub.place)
                    waiting.append(sub)
        return found

    def targets(self, keywords: Iterable[str] = ("$ref", "$dynamicRef")) -> Iterator[Part | None]:
        """Return the targets of the part's references; None if they are unknown, or not in the document."""
        references = self.document.references
        for keyword in keywords:
            if keyword in self.schema:
                place = references.target(self._base, self.schema[keyword])
                name = self.schema[keyword].partition("#")[2]
                several = keyword == "$dynamicRef" and len(references.dynamic.get(name, ())) > 1
                yield None if place is None or several else self.document.part(place)

    def candidates(self) -> list[Part]:
        """Return every part that the part's references may lead to."""
        name = str(self.schema.get("$dynamicRef", "")).partition("#")[2]
        several = map(self.document.part, self.document.references.dynamic.get(name, ()))
        return list(dict.fromkeys(part for part in (*self.targets(), *several) if part is not None))


def _locate(schema: Any, place: Place) -> tuple[Any, tuple[str | int, ...], str]:
    """Follow a place: return the schema there, its path with numbers for positions in lists, and its base URI."""
    path: list[str | int] = []
    base = base_of(schema)
    for token in place:
        step = int(token) if isinstance(schema, list) else token
        schema = schema[step]
        path.append(step)
        base = base_of(schema, base)
    return schema, tuple(path), base


def _refers(schema: Any) -> bool:
    return isinstance(schema, Mapping) and ("$ref" in schema or "$dynamicRef" in schema)


def _all_parts(part: Part) -> Iterator[Part]:
    """Return a part and every schema in it."""
    waiting = [part]
    while waiting:
        part = waiting.pop()
        if isinstance(part.schema, Mapping):
            yield part
            waiting += [part.sub(*step) for step, _ in parts_of(part.schema)]
