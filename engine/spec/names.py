"""What a route's requests, and its model's answers, certainly contain: the typed table of names for references.

References, conditions, a model's instance, the OpenAPI document and the docs page all ask this table. It finds for each
name the schemas that apply to its value, and whether the value is always there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from engine.schema import JSON_TYPES, TYPE_NAMES, Subschema, show
from engine.schema.samples import sample
from engine.spec.conditions import Guarantees, join_guarantees
from engine.spec.reading.scalars import resolve_scalar
from engine.spec.references import Name, Reference, unknown_root
from engine.spec.url_rules import parameter_schemas
from engine.text import did_you_mean, join_words

ANY = Subschema(True, True)
_OF_OTHERS = {"type": ["object", "array"]}
_HOLDS_OTHERS = Subschema(_OF_OTHERS, _OF_OTHERS)
_EMPTY = {"array": "[]", "object": "{}"}


@dataclass(frozen=True)  # without slots, to keep what is cached
class Known:
    """What is known of a value: the schemas that it matches, and whether it `is_certain` to be there.

    `reason` says in a few words why it may be absent.
    """

    parts: Sequence[Subschema]
    is_certain: bool = True
    reason: str = ""

    @cached_property
    def types(self) -> frozenset[str]:
        """The JSON types that the value may have, an integer being a number."""
        return JSON_TYPES.intersection(*(part.types for part in self.parts))

    @property
    def schema(self) -> Subschema:
        """The schema that the spec declares for it."""
        return self.parts[0]

    @property
    def is_choice(self) -> bool:
        """Whether the value is one of a list that the spec's author wrote."""
        return self.choices is not None

    @property
    def choices(self) -> Sequence[Any] | None:
        """The list of which the value is one; None if there is no list."""
        for part in self.parts:
            if (listed := part.written("enum")) is not None:
                return list(listed)
            if "const" in part.own:
                return [part.own["const"]]
        return None

    def step(self, key: str, whole: Name) -> Known:
        """Go down to a key of an object or an index of an array; raise `ValueError`, for the author, if there is none.

        `whole` is the name of this value.
        """
        if not self.types & {"array", "object"}:
            raise ValueError(f'"{whole}" is {_either(self.types)}, which has no "{key}"')
        index = int(key) if key.isascii() and key.isdigit() and "array" in self.types else None
        if index is None and self.types == {"array"}:
            raise ValueError(f'"{whole}" is an array, which has no "{key}"; write an index, as in {whole}.0')
        declared, is_needed, names = list[Subschema](), False, list[str]()
        is_closed = False
        for part in self.parts:
            for own in part.applied:
                declared += map(part.part, _below(own, key, index))
                is_needed |= key in own.get("required", ()) or (index is not None and index < own.get("minItems", 0))
                if own.get("additionalProperties") is False and "patternProperties" not in own:
                    is_closed = is_closed or key not in own.get("properties", {})
                    names += own.get("properties", ())
        if is_closed and self.types == {"object"}:
            raise ValueError(f'"{whole}" has no "{key}" {did_you_mean(key, names, "its schema has")}')
        is_plain = self.types == ({"object"} if index is None or key in names else {"array"})
        has_default = any(part.default is not None for part in declared)
        if (is_plain and is_needed) or has_default:
            return Known(declared or [ANY], self.is_certain or has_default, "" if has_default else self.reason)
        reason = _absence(key, whole, self.types, is_declared=bool(declared), is_plain=is_plain)
        return Known(declared or [ANY], False, f"{self.reason}, {reason}" if self.reason else reason)


@dataclass(frozen=True, slots=True)
class Root:
    """A value with all that is in it, such as the body: where names begin.

    If it `is_open`, what it contains is not known yet, and each name counts as certain.
    """

    schema: Subschema
    is_open: bool = field(default=False, kw_only=True)

    def require(self, name: Name) -> None:
        """Raise `ValueError`, for the author, for a name that nothing here has."""

    def words(self) -> Iterator[str]:
        """Yield the keys that are declared, to be suggested."""
        for own in self.schema.applied:
            yield from own.get("properties", ())


@dataclass(frozen=True, slots=True)
class Parameters(Root):
    """The parameters of a route, of which only declared ones can be referred to; `key` declares them in the spec."""

    key: str

    def require(self, name: Name) -> None:
        if not name.steps:
            raise ValueError(f'"{name}" needs the name of a parameter, as in {name}.{next(self.words(), "page")}')
        word = name.steps[0]
        if word in self.words():
            return
        near = did_you_mean(word, self.words(), "")
        if self.key == "path":
            known = did_you_mean(f"path.{word}", (f"path.{one}" for one in self.words()), "this path has")
            raise ValueError(f'unknown name "path.{word}" {known}')
        if "did you mean" in near:
            raise ValueError(f'"{self.key}.{word}" is not declared {near}')
        spelled = name.spelled if self.key == "headers" else word
        line = f"{self.key}: {{properties: {{{spelled}: {{type: string}}}}}}"
        raise ValueError(f'"{self.key}.{spelled}" is not declared; add it to the route: {line}')


@dataclass(frozen=True, slots=True)
class Lacking(Root):
    """A root that a route does not have, with the reason and the remedy."""

    reason: str

    def require(self, name: Name) -> None:
        raise ValueError(f'"{name}": {self.reason}')


@dataclass(frozen=True, slots=True)
class Names:
    """The table of one route, or of one of its cases: its roots, and what is assumed of some values.

    What a case's condition guarantees is assumed: a value is there, and matches further schemas.
    """

    roots: Mapping[str, Root]
    assumed: Guarantees = field(default_factory=dict)

    def find(self, name: Name) -> Known:
        """Return what is known of a value; raise `ValueError`, for the author, for a name that cannot have one."""
        root = self.roots.get(name.root)
        if root is None:
            raise ValueError(unknown_root(name, self.words()))
        root.require(name)
        at = Name(name.root)
        known = self._with_guarantees(Known([root.schema]), at)
        for number, key in enumerate(name.steps, 1):
            known = known.step(key, at)
            at = Name(name.root, name.steps[:number])
            known = self._with_guarantees(known, at)
        return Known(known.parts) if root.is_open else known

    def _with_guarantees(self, known: Known, at: Name) -> Known:
        if not self.assumed:
            return known
        if any(one.root == at.root and one.steps[: len(at.steps)] == at.steps != one.steps for one in self.assumed):
            return Known([*known.parts, *self.assumed.get(at, ()), _HOLDS_OTHERS])
        return Known([*known.parts, *self.assumed[at]]) if at in self.assumed else known

    def assume(self, guaranteed: Guarantees) -> Names:
        """Return the table with further guarantees."""
        return Names(self.roots, join_guarantees([self.assumed, guaranteed]))

    def require(self, reference: Reference) -> Known:
        """Return what is known of the value of a reference, which is always there, or has a default that fits.

        Raises `ValueError`, for the author.
        """
        known = self.find(reference.name)
        if reference.default is not None:
            self.default_of(reference, known)
        elif not known.is_certain:
            spelled, reason = reference.name.spelled, known.reason
            reason = reason.replace(f'"{spelled.lower()}"', f'"{spelled}"') if spelled else reason
            raise ValueError(f'"{reference.name}" may be absent: {reason}, {_how_to_default(reference, known)}')
        return known

    def default_of(self, reference: Reference, known: Known) -> Any:
        """Return the default of a reference, read by the types of its value; raise `ValueError` for a misfit."""
        if any(part.default is not None for part in known.parts):
            raise ValueError(f'"{reference.name}" already has a default in its schema; remove one of the two')
        if known.types <= {"array", "object"}:
            raise ValueError(
                f'"{reference.name}" is {_either(known.types)}, and a default here is a scalar; write the default into '
                f"its schema, as in default: {_EMPTY[min(known.types, default='array')]}"
            )
        value = read_default(reference.default or "", known.types)
        for part in known.parts:
            found = next(part.validator.violations(value), None)
            if found is not None:
                raise ValueError(f'the default of "{reference.name}" does not fit its schema: {found.detail}')
        return value

    def words(self) -> Iterator[str]:
        """Yield names that can be referred to, to be suggested."""
        for name, root in self.roots.items():
            words = list(root.words())
            yield from (str(Name(name, (word,))) for word in words)
            if not isinstance(root, Lacking | Parameters):
                yield name


def read_default(text: str, types: frozenset[str]) -> Any:
    """Read the text of a default as a plain YAML scalar of one of the types; raise `ValueError` if it is none."""
    value = resolve_scalar(text)
    if isinstance(value, str) or _type_name(value) in types or "string" not in types:
        return value
    return text


def root_of(document: Any) -> Root:
    """Make the root of values that a schema, a document of its own, describes."""
    return Root(Subschema(document, document))


def _below(own: Mapping[str, Any], key: str, index: int | None) -> Iterator[Any]:
    """Yield the schemas that one set of keywords has for a key or an index."""
    if key in own.get("properties", {}):
        yield own["properties"][key]
    elif isinstance(own.get("additionalProperties"), Mapping) and "patternProperties" not in own:
        yield own["additionalProperties"]
    prefix = own.get("prefixItems", ())
    if index is not None and index < len(prefix):
        yield prefix[index]
    elif index is not None and "items" in own:
        yield own["items"]


def _absence(key: str, whole: Name, types: frozenset[str], *, is_declared: bool, is_plain: bool) -> str:
    if not is_plain:
        return f'set the type of "{whole}", which may be {_either(types) if types != JSON_TYPES else "anything"}'
    if key.isdigit() and types == {"array"}:
        return f"set minItems: {int(key) + 1}"
    return f'add "{key}" to required' if is_declared else f'declare "{key}" under properties and require it'


def _how_to_default(reference: Reference, known: Known) -> str:
    """Say how to write a default that fits."""
    if known.types <= {"array", "object"}:
        return f"or give it a default in its schema, as in default: {_EMPTY[min(known.types, default='array')]}"
    made = [sample(part) for part in known.parts] if known.types != JSON_TYPES else []
    fitting = (text for text in map(_scalar_text, ["none", *made]) if _fits(text, known))
    name = str(reference.name)
    return f"or give it a default, as in ${{{name}:-{next(fitting, '…')}}}"


def _scalar_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _fits(text: str, known: Known) -> bool:
    value = read_default(text, known.types)
    return not isinstance(value, dict | list) and all(part.takes(value) for part in known.parts)


def _type_name(value: Any) -> str:
    if value is None:
        return "null"
    return "boolean" if isinstance(value, bool) else "number" if isinstance(value, int | float) else "string"


def _either(types: frozenset[str]) -> str:
    return join_words([TYPE_NAMES[name] for name in sorted(types)], "or") if types else show(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedParts:
    """What a route declares of its requests, as JSON Schemas: parameters by their keys in the spec, and the body.

    `body` is None if the route reads none; `body_lacks` says why, with the remedy. `methods` are those of the route.
    """

    path: str
    methods: Sequence[str]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    body_lacks: str = ""


def names_of(declared: NamedParts, answer: Mapping[str, Root] | None = None) -> Names:
    """Make the table of a route, whose model's answer has further roots."""
    path_schema = path_object(declared.path, declared.parameters.get("path_parameters"))
    roots: dict[str, Root] = {"path": Parameters(Subschema(path_schema, path_schema), "path")}
    for key in ("query", "headers", "cookies"):
        schema = parameters_object(key, declared.parameters.get(key))
        roots[key] = Parameters(Subschema(schema, schema), key)
    roots["body"] = Lacking(ANY, declared.body_lacks) if declared.body is None else root_of(declared.body)
    methods = [*declared.methods, *(["HEAD"] if "GET" in declared.methods else [])]
    roots |= dict.fromkeys(("label", "model", "probability", "result"), Lacking(ANY, "this route has no model"))
    roots["problem"] = Lacking(ANY, "only the bodies of errors have it")
    roots["method"] = root_of({"type": "string", "enum": methods})
    return Names({**roots, **_MADE, **(answer or {})})


def problem_names() -> Names:
    """Make the table for the bodies of errors: what an error says, and what the engine itself makes."""
    return Names({"problem": root_of(_PROBLEM), "method": root_of({"type": "string"}), **_MADE})


def parameters_object(key: str, document: Any) -> dict[str, Any]:
    """Return the schema of an object with all parameters of one kind; names of headers are in lower case."""
    schema = {**(document or {}), "type": "object"}
    if key == "headers":
        properties = {name.lower(): part for name, part in schema.get("properties", {}).items()}
        schema |= {"properties": properties, "required": [name.lower() for name in schema.get("required", ())]}
    return schema


def path_object(path: str, document: Any) -> dict[str, Any]:
    """Return the schema of an object with the path parameters, by their converters and by what the spec adds."""
    added = {} if document is None else document.get("properties", {})
    properties = {
        name: {"allOf": [schema, added[name]]} if name in added else schema
        for name, schema in parameter_schemas(path).items()
    }
    return {**(document or {}), "type": "object", "required": [*properties], "properties": properties}


_TEXT = {"type": "string"}
_PROBLEM = {  # as engine/endpoints/problems.py writes it
    "type": "object",
    "required": ["type", "title", "status", "detail", "errors", "request_id"],
    "properties": {
        "type": _TEXT,
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {"in": _TEXT, "pointer": _TEXT, "detail": _TEXT},
                "additionalProperties": False,
            },
        },
        "request_id": _TEXT,
    },
    "additionalProperties": False,
}
_MADE: Mapping[str, Root] = {  # by the engine itself
    "url": root_of({"type": "string"}),
    "now": root_of({"type": "string", "format": "date-time"}),
    "uuid": root_of({"type": "string", "format": "uuid"}),
}
