"""What a route's requests, and its model's answers, certainly contain: the typed table of names for references.

References, conditions, a model's instance, the OpenAPI document and the docs page all ask this table. It finds for each
name the schemas that apply to its value, and whether the value is always there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.schema import SchemaError, Subschema
from engine.spec.conditions import Guarantees, join_guarantees
from engine.spec.naming.known import ANY, Known, how_to_default, read_default
from engine.spec.references import Name, Reference, unknown_root
from engine.text import did_you_mean

MAY_BE_ABSENT = "may be absent:"
TO_DECLARE = "is not declared; add it to the route"
_OF_OTHERS = {"type": ["object", "array"]}
_HOLDS_OTHERS = Subschema(_OF_OTHERS, _OF_OTHERS)


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
            if not [*self.words()]:
                raise ValueError(f'"path.{word}": this path has no parameters; write one in it, as in "/<{word}>"')
            known = did_you_mean(f"path.{word}", (f"path.{one}" for one in self.words()), "this path has")
            raise ValueError(f'unknown name "path.{word}" {known}')
        if "did you mean" in near:
            raise ValueError(f'"{self.key}.{word}" is not declared {near}')
        spelled = name.spelled if self.key == "headers" else word
        line = f"{self.key}: {{properties: {{{spelled}: {{type: string}}}}}}"
        raise ValueError(f'"{self.key}.{spelled}" {TO_DECLARE}: {line}')


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
            raise ValueError(
                unknown_root(name, self.words(), "this route has" if "path" in self.roots else "errors have")
            )
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
        inside = (one for one in self.assumed if one.root == at.root and one.steps[: len(at.steps)] == at.steps)
        if any(one.steps != at.steps and not self._has_default(one, len(at.steps)) for one in inside):
            return Known([*known.parts, *self.assumed.get(at, ()), _HOLDS_OTHERS])
        return Known([*known.parts, *self.assumed[at]]) if at in self.assumed else known

    def _has_default(self, name: Name, begin: int) -> bool:
        """Return whether a default below the first steps of a name may stand for its value while they are absent."""
        known, at = Known([self.roots[name.root].schema]), Name(name.root)
        for number, key in enumerate(name.steps, 1):
            known, at = known.step(key, at), Name(name.root, name.steps[:number])
            if number > begin and any(part.has_default for part in known.parts):
                return True
        return False

    def assume(self, guaranteed: Guarantees) -> Names:
        """Return the table with further guarantees."""
        return Names(self.roots, join_guarantees([self.assumed, guaranteed]))

    def opened(self, root: str) -> Names:
        """Return the table with one root of which nothing is known, since what declares it has mistakes."""
        return Names({**self.roots, root: Root(ANY, is_open=True)}, self.assumed)

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
            if known.near:
                raise ValueError(f'"{reference.name}" is not declared {known.near}')
            raise ValueError(f'"{reference.name}" {MAY_BE_ABSENT} {reason}, {how_to_default(reference, known)}')
        return known

    def default_of(self, reference: Reference, known: Known) -> Any:
        """Return the default of a reference, read by the types of its value; raise `ValueError` for a misfit."""
        if any(part.has_default for part in known.parts):
            raise ValueError(f'"{reference.name}" already has a default in its schema; remove one of the two')
        if known.types <= {"array", "object"}:
            raise ValueError(f'"{reference.name}" is {known.in_words}, and {known.needs_default_in_schema}')
        value = read_default(reference.default or "", known.types)
        for part in known.parts:
            try:
                found = next(part.validator.violations(value), None)
            except SchemaError:  # reported at the schema
                continue
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


def root_of(document: Any) -> Root:
    """Make the root of values that a schema, a document of its own, describes."""
    return Root(Subschema(document, document))
