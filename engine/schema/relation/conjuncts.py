"""A schema as the list of all that applies to a value together, and whether listed values fulfil all of it.

What is not understood makes a schema neither smaller nor exact: a reference that is not followed, an evaluation of what
other keywords leave over, a schema that cannot be compiled alone. Formats may be checked or not, so both count.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.schema.parts import SchemaError
from engine.schema.subschema import Subschema

# The keywords that say nothing of which values are valid.
_ANNOTATIONS = frozenset(
    "$anchor $comment $defs $schema contentEncoding contentMediaType contentSchema default definitions deprecated "
    "description discriminator example examples externalDocs readOnly title writeOnly xml".split()
)
_DECIDED = frozenset(
    "additionalProperties allOf anyOf const enum exclusiveMaximum exclusiveMinimum maxItems maxLength maxProperties "
    "maximum minItems minLength minProperties minimum not properties required type".split()
)
_SEPARATE = frozenset(("$ref", "allOf", "const", "enum", "unevaluatedItems", "unevaluatedProperties"))
_UNSURE = frozenset(("$dynamicRef", "$ref", "unevaluatedItems", "unevaluatedProperties"))
_VALUE_STEPS = 3
_CONJUNCT_STEPS = 20


class TooCostly(Exception):
    """Two schemas are too large to be compared."""


class Effort:
    """A bound on the work of one comparison, in steps of a few microseconds at most."""

    def __init__(self, steps: int) -> None:
        self._left = steps
        self._bases: dict[int, bool] = {}

    def spend(self, steps: int = 1) -> None:
        """Take some steps; raise `TooCostly` if they are not left."""
        self._left -= steps
        if self._left < 0:
            raise TooCostly

    def has_bases(self, document: Any) -> bool:
        """Return whether some schema inside a document has an `$id`, so that its references may lead elsewhere."""
        known = self._bases.get(id(document))
        if known is None:
            inside = [*document.values()] if isinstance(document, Mapping) else []
            known = self._bases[id(document)] = any(
                isinstance(held, Mapping) and "$id" in held for held in _all(inside)
            )
        return known


class Conjunct:
    """A schema without what it refers to and combines, which are conjuncts of their own."""

    def __init__(self, schema: Subschema) -> None:
        self.schema = schema
        self.own: Mapping[str, Any] = {"enum": []} if schema.schema is False else schema.own

    @property
    def is_exact(self) -> bool:
        """Whether all of its keywords are decided."""
        closing = self.own.get("additionalProperties", True)
        return isinstance(closing, bool) and all(
            keyword in _DECIDED or keyword in _ANNOTATIONS or keyword.startswith("x-") for keyword in self.own
        )

    @property
    def lists(self) -> list[list[Any]]:
        """The values of its `const` and of its `enum`, as far as it has them."""
        const = [[self.own["const"]]] if "const" in self.own else []
        return const + ([[*self.own["enum"]]] if "enum" in self.own else [])

    def branches(self) -> list[list[Subschema]]:
        """Return the alternatives of each `anyOf` and `oneOf`."""
        return self.schema.alternatives

    def without_branches(self) -> Subschema:
        """Return the schema without its alternatives, and without what other conjuncts have."""
        apart = {"$ref", "allOf", "anyOf", "oneOf"}
        if not apart & self.own.keys():
            return self.schema
        return self.schema.part({keyword: value for keyword, value in self.own.items() if keyword not in apart})


def conjuncts_of(schemas: Sequence[Subschema], effort: Effort) -> list[Conjunct]:
    """List all that applies together: the schemas, what they refer to, and what `allOf` combines."""
    found: list[Conjunct] = []
    waiting = [*reversed(schemas)]
    while waiting:
        effort.spend(_CONJUNCT_STEPS)
        schema = waiting.pop()
        found.append(Conjunct(schema))
        together = schema.together
        if "$ref" in schema.own and effort.has_bases(schema.document):
            together = [schema.part(part) for part in schema.own.get("allOf", ())]
        waiting += reversed(together)
    return found


class Acceptance:
    """Whether conjuncts accept single values."""

    def __init__(self, conjuncts: Sequence[Conjunct], effort: Effort) -> None:
        self._effort = effort
        self._listed: list[set[Any]] = []
        self._rest: list[Subschema] = []
        self._is_sure = True
        for conjunct in conjuncts:
            self._add(conjunct)
        self._cost = _VALUE_STEPS + sum(_weigh(rest.schema) for rest in self._rest)
        self._judges = [self._compile(formats) for formats in (False, True)] if self._rest else []

    def _add(self, conjunct: Conjunct) -> None:
        for listed in conjunct.lists:
            self._effort.spend(len(listed))
            self._listed.append({key_of(value) for value in listed})
        kept = {keyword: value for keyword, value in conjunct.own.items() if keyword not in _SEPARATE | _ANNOTATIONS}
        self._is_sure &= not (_UNSURE & conjunct.own.keys())
        if kept:
            rest = conjunct.schema.part(kept)
            if self._effort.has_bases(rest.document) and any(_refers(held) for held in _all([kept])):
                self._is_sure = False
            else:
                self._rest.append(rest)

    def _compile(self, formats: bool) -> list[Any]:
        judges = []
        for rest in self._rest:
            self._effort.spend(20 + _weigh(rest.schema))
            try:
                judges.append(rest.compiled(formats=formats).is_valid)
            except SchemaError:  # a part of it refers to what is not among the definitions
                self._is_sure = False
        return judges

    def may_accept(self, value: Any) -> bool:
        """Return whether a value may be accepted; only False is certain."""
        self._effort.spend(self._cost)
        return self._is_listed(value) and (not self._judges or any(self._verdicts(value)))

    def must_accept(self, value: Any) -> bool:
        """Return whether a value is certainly accepted."""
        self._effort.spend(self._cost)
        return self._is_sure and self._is_listed(value) and all(self._verdicts(value))

    def _verdicts(self, value: Any) -> list[bool]:
        return [all(is_valid(value) for is_valid in judges) for judges in self._judges]

    def _is_listed(self, value: Any) -> bool:
        return not self._listed or all(key_of(value) in keys for keys in self._listed)


def key_of(value: Any) -> Any:
    """Return a key that is equal for equal JSON values: 1 and 1.0 are, 1 and true are not."""
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, list):
        return ("array", tuple(map(key_of, value)))
    if isinstance(value, Mapping):
        return ("object", frozenset((name, key_of(item)) for name, item in value.items()))
    return value


def _weigh(schema: Any) -> int:
    return sum(1 for _ in _all([schema]))


def _refers(held: Any) -> bool:
    return isinstance(held, Mapping) and ("$ref" in held or "$dynamicRef" in held)


def _all(waiting: list[Any]) -> Iterator[Any]:
    """Yield these values and all values in them."""
    while waiting:
        held = waiting.pop()
        yield held
        waiting += held.values() if isinstance(held, Mapping) else held if isinstance(held, list) else ()
