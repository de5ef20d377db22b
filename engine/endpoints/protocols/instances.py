"""Instances in JSON as clients of other servers send them: objects, rows, or whole columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from engine.endpoints.problems import Problem, violations_problem
from engine.schema import Path, Violation
from engine.spec import Model


@dataclass(frozen=True, slots=True)
class Sent:
    """Instances, and where each of them is in the body."""

    instances: Sequence[Any]
    at: Path
    is_nested: bool = False

    def where(self, row: int) -> Path:
        """Return the place of an instance."""
        return (*self.at, row, 0) if self.is_nested else (*self.at, row)


def read_instances(value: Any, model: Model, at: Path) -> Sent:
    """Read instances from a list of them, of rows in the order of the features, or from an object of columns.

    `at` is the place of the value in the body. Raises `Problem` 422 for columns of different lengths, and for a row
    that has more values than there are features, or fewer.
    """
    names = features_of(model)
    if isinstance(value, Mapping):
        return Sent(_from_columns(value, at), at)
    if not isinstance(value, list):
        raise _refusal(at, "expected a list of instances, or an object of columns")
    if model.input.instance.form != "object":
        return Sent(value, at)
    if value and all(isinstance(one, list) and len(one) == 1 and isinstance(one[0], dict) for one in value):
        return Sent([one[0] for one in value], at, is_nested=True)
    return Sent([_named(one, names, (*at, row)) if isinstance(one, list) else one for row, one in enumerate(value)], at)


def features_of(model: Model) -> tuple[str, ...]:
    """Return the names of the features of an object, in the order of the model's columns."""
    return tuple(getattr(model, "features", ()) or model.input.instance.properties)


def _named(row: list[Any], names: Sequence[str], at: Path) -> dict[str, Any]:
    if len(row) != len(names):
        raise _refusal(at, f"expected {len(names)} values, for {', '.join(names)}; got {len(row)}")
    return dict(zip(names, row, strict=True))


def _from_columns(columns: Mapping[str, Any], at: Path) -> list[dict[str, Any]]:
    """Make instances of columns, whose values may stand in lists of one."""
    if not columns:
        raise Problem(HTTPStatus.BAD_REQUEST, "there are no columns; send at least 1")
    cells: dict[str, list[Any]] = {}
    for name, column in columns.items():
        if not isinstance(column, list):
            raise _refusal((*at, name), "expected a list of values, one for each instance")
        cells[name] = [one[0] if isinstance(one, list) and len(one) == 1 else one for one in column]
    lengths = {name: len(column) for name, column in cells.items()}
    if len({*lengths.values()}) > 1:
        raise _refusal(at, f"the columns have different lengths: {', '.join(f'{k} {v}' for k, v in lengths.items())}")
    return [dict(zip(cells, row, strict=True)) for row in zip(*cells.values(), strict=True)]


def _refusal(at: Path, detail: str) -> Problem:
    return violations_problem([Violation(at, detail, "", ())])
