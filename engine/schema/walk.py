"""Find out why a value violates a schema, violation by violation: the library gives verdicts, and this walks.

A walk never asks for a list of errors, since the library makes all of them, with copies of their values, before it
returns the first. It asks for verdicts on parts and on single keywords, and descends into invalid values.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from engine.schema.budget import Budget, Exhausted
from engine.schema.costs import is_cheap, is_small, safe_size
from engine.schema.documents import Place
from engine.schema.parts import Part
from engine.schema.rules import RULES, Violations, check_assertion, check_unevaluated, unknown_properties
from engine.schema.violation import Violation
from engine.schema.words import Path, describe_violation

MAX_NESTED = 110  # depth of nested schemas, below Python's own bound on recursion
_TOO_DEEP = "this violates the schema, but is nested too deeply to say where"
_MAX_KNOWN = 20_000
_SEVERAL = 8  # values that are checked between two looks at the clock


class Walk:
    """One walk through values, within a budget if there is one."""

    def __init__(self, budget: Budget | None) -> None:
        self._budget = budget
        self._verdicts: dict[tuple[Place, int], bool] = {}
        self._open: set[tuple[Place, int]] = set()
        self.is_giving_reasons = False

    def violations(self, part: Part, value: Any, at: Path) -> Violations:
        """Yield the violations of a part, in the order of its rules; `at` is the path to the value."""
        self.spend(at)
        key = (part.place, id(value))
        if part.schema is False:
            yield Violation(at, describe_violation("false", value, False), "falseSchema", part.path)
        elif len(self._open) >= MAX_NESTED:
            yield from self._in_the_deep(part, value, at)
        elif key not in self._open:  # a schema that refers to itself for the same value adds nothing
            self._open.add(key)
            try:
                found = False
                for keyword in part.rules:
                    for violation in RULES.get(keyword, check_assertion)(self, part, keyword, value, at):
                        found = True
                        yield violation
                yield from (unknown_properties if found else check_unevaluated)(self, part, value, at)
            finally:
                self._open.discard(key)

    def is_valid(self, part: Part, value: Any, at: Path) -> bool:
        """Validate a value: by the library if that is certainly quick, else by searching for a violation."""
        if is_cheap(part) or is_small(value, safe_size(part)):
            return part.is_valid(value)
        key = (part.place, id(value))
        if key not in self._verdicts:
            if len(self._verdicts) >= _MAX_KNOWN:
                self._verdicts.clear()
            self._verdicts[key] = next(self.violations(part, value, at), None) is None
        return self._verdicts[key]

    def within(self, part: Part, values: Iterable[tuple[str | int, Any]], at: Path) -> Violations:
        """Yield the violations of the values in a value, descending into invalid ones."""
        cheap, size = is_cheap(part), safe_size(part)
        for number, (step, value) in enumerate(values):
            if (cheap or is_small(value, size)) and part.is_valid(value):
                if not cheap and number % _SEVERAL == 0:
                    self.spend(at)
                continue
            yield from self.violations(part, value, (*at, step))

    def spend(self, at: Path, seconds: float = 0.0) -> None:
        """Take time from the budget; raise `Exhausted` if none is left."""
        if self._budget is not None:
            self._budget.take(at, seconds)

    def _in_the_deep(self, part: Part, value: Any, at: Path) -> Violations:
        if not self.judge_whole(part, value, at):
            yield Violation(at, _TOO_DEEP, "", ())

    def judge_whole(self, part: Part, value: Any, at: Path) -> bool:
        """Let the library validate; raise `Exhausted` if that may take longer than a budget allows."""
        if self._budget is not None and not is_cheap(part) and not is_small(value, safe_size(part)):
            raise Exhausted(at)
        return part.is_valid(value)
