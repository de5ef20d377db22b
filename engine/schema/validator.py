"""Compile a schema, validate values, and explain their violations, within a budget if a client sent them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

from engine.schema.budget import EXPLAINING_PER_BYTE, JUDGING_PER_BYTE, SECONDS, Budget, Exhausted
from engine.schema.costs import is_small, safe_size, weigh_part
from engine.schema.parts import Document, SchemaError, compile_schema
from engine.schema.violation import Violation
from engine.schema.walk import Walk
from engine.schema.words import Path, describe_violation

SAFE_NANOSECONDS = 3e6
_SHARED = ("$id", "$defs", "definitions")  # the part of a schema that its other parts may refer to
_VIOLATES = "this violates the schema"
_WHERE = "this violates the schema, but finding out where takes too long"
_TOO_COSTLY = "this takes too long to check against the schema; send less at once, or nest it less"


class Validator:
    """A compiled schema. `is_valid(value)` is the quick verdict, `violations(value)` the explanation."""

    def __init__(self, schema: Any, *, formats: bool = False) -> None:
        """Compile `schema`; raise `SchemaError` if it is invalid, or refers to a document that is not available.

        With `formats`, the keyword `format` is checked; otherwise it is documentation.
        """
        compiled = compile_schema(schema, formats=formats)
        self.is_valid: Callable[[Any], bool] = compiled.is_valid
        self._iter_errors = compiled.iter_errors
        self._document = Document(schema, formats=formats)

    @classmethod
    def of_part(cls, schema: Mapping[str, Any], part: Any, *, formats: bool = False) -> Validator:
        """Compile a part of a schema, with the definitions of the whole, which it may refer to."""
        whole = {**{key: schema[key] for key in _SHARED if key in schema}, "allOf": [part]}
        return cls(whole, formats=formats)

    def part(self, *place: str) -> Callable[[Any], bool]:
        """Return a subschema as a validator of quick verdicts, such as `part("properties", "age")`."""
        return self._document.part(place).is_valid

    @property
    def is_opaque(self) -> bool:
        """Whether a part may have other verdicts alone than inside the whole."""
        return self._document.is_opaque

    @cached_property
    def safe_size(self) -> float:
        """The size up to which `is_valid` certainly stays within a few milliseconds, or within the budget of its bytes.

        A larger body is validated by listing its violations, within a budget.
        """
        return safe_size(self._document.part(()), SAFE_NANOSECONDS)

    def is_affordable(self, size: int, sent: int) -> bool:
        """Return whether `is_valid` validates any `size` bytes within the budget of `sent` bytes."""
        return weigh_part(self._document.part(())) / 2 * size <= 1e9 * (SECONDS + JUDGING_PER_BYTE * sent)

    def budget(self, size: int) -> Budget:
        """Make the budget for a body of that many bytes."""
        return Budget(size, EXPLAINING_PER_BYTE if size <= self.safe_size else JUDGING_PER_BYTE)

    def violations(self, value: Any, at: Path = (), budget: Budget | None = None) -> Iterator[Violation]:
        """Return every violation once, in the order of the schema's keywords; `at` is the path to `value`.

        With a budget, violations beyond it are left out, and the budget is marked as spent.
        """
        if budget is not None and budget.is_spent:
            return
        try:
            yield from _once(self._all(value, at, budget), budget)
        except Exhausted as exhausted:
            if budget is not None:
                if not budget.counted:
                    reason = _WHERE if self.safe_size == math.inf else _TOO_COSTLY
                    yield Violation(exhausted.at, reason, "", ())
                budget.at = exhausted.at

    def _all(self, value: Any, at: Path, budget: Budget | None) -> Iterator[Violation]:
        if not self._document.is_opaque:
            return Walk(budget).violations(self._document.part(()), value, at)
        return self._told(value, at) if budget is None else self._judged(value, at, budget)

    def _judged(self, value: Any, at: Path, budget: Budget) -> Iterator[Violation]:
        """Validate a value against a schema whose parts cannot be applied one by one."""
        if not is_small(value, self.safe_size):
            raise Exhausted(at)
        budget.take(at)
        if not self.is_valid(value):
            yield Violation(at, _VIOLATES, "", ())

    def _told(self, value: Any, at: Path) -> Iterator[Violation]:
        """Return the library's own list of violations, for a value that no client sent."""
        try:
            errors = iter(self._iter_errors(value))
        except ValueError:  # the library explains to a limited depth, and validates to any
            yield Violation(at, _VIOLATES, "", ())
            return
        for error in _without_consequences(list(errors)):
            kind, where = error.kind, tuple(error.schema_path)
            wanted = next((getattr(kind, name) for name in getattr(kind, "__match_args__", ())), None)
            yield Violation(
                (*at, *error.instance_path), describe_violation(kind.name, error.instance, wanted), kind.name, where
            )


def _without_consequences(errors: list[SchemaError]) -> Iterator[SchemaError]:
    """Leave out errors about unevaluated parts of a value that has another error, which is their cause."""
    for error in errors:
        at = list(error.instance_path)
        others = (other for other in errors if not other.kind.name.startswith("unevaluated"))
        is_consequence = any(list(other.instance_path)[: len(at)] == at for other in others)
        if not (error.kind.name.startswith("unevaluated") and is_consequence):
            yield error


def _once(violations: Iterator[Violation], budget: Budget | None) -> Iterator[Violation]:
    """Leave out repeated violations."""
    seen = set()
    for violation in violations:
        if (violation.path, violation.verdict) not in seen:
            seen.add((violation.path, violation.verdict))
            if budget is not None:
                budget.count(violation.path)
            yield violation
