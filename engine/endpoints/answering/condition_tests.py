"""Conditions of cases → quick tests of a request's values."""

from __future__ import annotations

import math
from collections.abc import Callable
from http import HTTPStatus
from operator import ge, gt, le, lt
from typing import Any

from engine.endpoints.problems import Problem
from engine.endpoints.requests.values import ABSENT, Values, read_name
from engine.schema import Budget, Validator
from engine.schema.costs import is_small
from engine.spec import Alternatives, Condition, IsPresent, Matches, Names, Negation, Together

Test = Callable[[Values], bool]
_BOUNDS = {"minimum": ge, "maximum": le, "exclusiveMinimum": gt, "exclusiveMaximum": lt}
_TOO_COSTLY = "this takes too long to compare with the conditions of the route; send less at once, or nest it less"


def build_test(condition: Condition, names: Names, *, formats: bool) -> Test:
    """Return the test of a condition; a value that is absent matches nothing."""
    match condition:
        case IsPresent(name):
            read = read_name(name, names)
            return lambda values: read(values) is not ABSENT
        case Matches(name, schema):
            return _build_match(read_name(name, names), schema, formats=formats)
        case Negation(of):
            test = build_test(of, names, formats=formats)
            return lambda values: not test(values)
        case Together(parts):
            tests = [build_test(part, names, formats=formats) for part in parts]
            return lambda values: all(test(values) for test in tests)
        case Alternatives(parts):
            tests = [build_test(part, names, formats=formats) for part in parts]
            return lambda values: any(test(values) for test in tests)


def _build_match(read: Callable[[Values], Any], schema: Any, *, formats: bool) -> Test:
    if isinstance(schema, dict) and [*schema] == ["const"] and not isinstance(wanted := schema["const"], dict | list):
        is_truth = isinstance(wanted, bool) or wanted is None
        if is_truth:
            return lambda values: read(values) is wanted
        return lambda values: (found := read(values)) == wanted and not isinstance(found, bool)
    if isinstance(schema, dict) and schema.keys() <= _BOUNDS.keys() and len(schema) == 1:
        ((keyword, bound),) = schema.items()
        return _build_bound(read, _BOUNDS[keyword], bound)
    validator = Validator(schema, formats=formats)
    is_valid, safe_size = validator.is_valid, validator.safe_size

    def test(values: Values) -> bool:
        found = read(values)
        if found is ABSENT:
            return False
        if safe_size == math.inf:
            return is_valid(found)
        if values.budget.left() <= 0:
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, _TOO_COSTLY)
        return is_valid(found) if is_small(found, safe_size) else _judge_within_budget(validator, found, values.budget)

    return test


def _build_bound(read: Callable[[Values], Any], compare: Callable[[Any, Any], bool], bound: float) -> Test:
    """Return the test of a single bound, which says nothing of values that are no numbers."""

    def test(values: Values) -> bool:
        found = read(values)
        is_number = isinstance(found, int | float) and not isinstance(found, bool)
        return compare(found, bound) if is_number else found is not ABSENT

    return test


def _judge_within_budget(validator: Validator, found: Any, budget: Budget) -> bool:
    """Judge a large value; raise `Problem` if that takes longer than all conditions of a request may."""
    violation = next(validator.violations(found, budget=budget), None)
    if budget.is_spent:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, _TOO_COSTLY)
    return violation is None
