"""Instances in JSON as clients of other servers send them: objects, rows, whole columns, or frames of pandas."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from engine.batch.tensors.fitting import feature_order
from engine.endpoints.problems import violations_problem
from engine.endpoints.protocols.sent import ColumnInstances, ListedInstances, LoneInstance, Sent
from engine.models import Facts
from engine.schema import Path, Violation, clip, show
from engine.spec import Model
from engine.text import first_words, plural, say_lacking

_MOST_NAMED = 20
_SPLIT = ("columns", "data", "index")


class InstancesReader:
    """Reads the instances of one model; raises `Problem` 422 for what cannot be instances, at its place in the body.

    `require_count` raises `Problem` for too many of them, before one is made.
    """

    def __init__(self, model: Model, facts: Facts, require_count: Callable[[int], None]) -> None:
        self._require_count = require_count
        self._schema = model.input.instance
        self._form = self._schema.form
        self._names = feature_order(model, facts) if self._form == "object" else ()
        self._places = {name: place for place, name in enumerate(self._names)}
        self._listed = {name for name, part in self._schema.properties.items() if "array" in part.types}
        self._optional = frozenset(self._schema.properties) - {*self._schema.required}

    def read(self, value: Any, at: Path, *, is_frame: bool = False) -> Sent:
        """Read a list of instances or of rows, an object of columns, or a single object.

        `at` is the place of the value in the body. In a frame, an optional feature that is null is left out.
        """
        if isinstance(value, Mapping) and self._form == "object":
            is_alone = not any(isinstance(one, list) and name not in self._listed for name, one in value.items())
            if is_alone and value:
                return LoneInstance([self._without_gaps(value) if is_frame else value], at)
            return self._columns(value, at, is_frame=is_frame)
        if not isinstance(value, list):
            by_columns = ", or an object of columns" * (self._form == "object")
            raise _refusal(at, f"expected a list of instances{by_columns}")
        sent = self._list(value, at)
        return self._without_gaps_in(sent) if is_frame else sent

    def read_records(self, value: Any, at: Path) -> Sent:
        """Read a frame in the form of records: an object for each row."""
        if not isinstance(value, list):
            raise _refusal(at, "expected a list of records")
        self._require_few(value)
        for row, record in enumerate(value):
            if not isinstance(record, dict):
                raise _refusal((*at, row), "expected an object, with the row's value in each column")
        if self._form == "object":
            kept = [self._of_features(record) for record in value]
            if value:  # no rows at all are reported elsewhere
                self._require_features(dict.fromkeys(name for record in value for name in record), at)
            return ListedInstances(kept, at)
        columns = list(value[0]) if value else []
        for row, record in enumerate(value):
            if record.keys() != value[0].keys():
                raise _refusal(
                    (*at, row),
                    f"expected the columns of the first row: {first_words([*map(clip, columns)], _MOST_NAMED)}",
                )
        sent = self._list([[record.get(name) for name in columns] for record in value], at)
        places = dict(enumerate(columns))
        return ListedInstances(sent.instances, at, places=dict.fromkeys(range(len(value)), places))

    def read_split(self, value: Any, at: Path) -> Sent:
        """Read a frame in the form of pandas' split: the names of columns beside a list of rows."""
        if not isinstance(value, dict) or "data" not in value:
            raise _refusal(at, 'expected an object with "columns" and "data"')
        if odd := [name for name in value if name not in _SPLIT]:
            raise _refusal((*at, odd[0]), 'a frame has only "columns", "index" and "data"')
        rows, columns = value["data"], value.get("columns")
        if not isinstance(rows, list):
            raise _refusal((*at, "data"), "expected a list of rows")
        self._require_few(rows)
        if columns is None or self._form != "object":
            return self._unnamed(rows, (*at, "data"))
        if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
            raise _refusal((*at, "columns"), "expected a list of names")
        for name, count in Counter(columns).most_common(1):
            if count > 1:
                raise _refusal((*at, "columns"), f"{count} columns are named {show(name)}")
        self._require_features(columns, (*at, "columns"))
        places = {name: place for place, name in enumerate(columns)}
        made = [self._of_features(_named(row, columns, (*at, "data", number))) for number, row in enumerate(rows)]
        kept = dict.fromkeys(range(len(made)), places)
        return ListedInstances(made, (*at, "data"), places=kept, added=len(made) * _size_of(columns))

    def _list(self, values: list[Any], at: Path) -> ListedInstances:
        self._require_few(values)
        if self._form == "array":
            return ListedInstances(values, at)
        nested = frozenset(row for row, one in enumerate(values) if isinstance(one, list) and self._is_nested(one))
        if self._form != "object":
            return ListedInstances([one[0] if row in nested else one for row, one in enumerate(values)], at, nested)
        instances, places = [], {}
        for row, one in enumerate(values):
            if row in nested:
                instances.append(one[0])
            elif isinstance(one, list):
                instances.append(_named(one, self._names, (*at, row)))
                places[row] = self._places
            else:
                instances.append(one)
        return ListedInstances(instances, at, nested, places, added=len(places) * _size_of(self._names))

    def _require_few(self, rows: list[Any]) -> None:
        if rows:  # no rows at all are reported elsewhere
            self._require_count(len(rows))

    def _is_nested(self, one: list[Any]) -> bool:
        """Whether a list has nothing but an instance in it."""
        return len(one) == 1 and (isinstance(one[0], dict) if self._form == "object" else True)

    def _unnamed(self, rows: list[Any], at: Path) -> ListedInstances:
        """Read the rows of a frame whose columns are known by their order."""
        for row, one in enumerate(rows):
            if not isinstance(one, list):
                raise _refusal((*at, row), "expected a list, with the row's value in each column")
        return self._without_gaps_in(self._list(rows, at))

    def _columns(self, columns: Mapping[str, Any], at: Path, *, is_frame: bool) -> Sent:
        """Make instances of columns, whose values may stand in lists of one."""
        cells: dict[str, list[Any]] = {}
        nested: set[tuple[str, int]] = set()
        for name, column in columns.items():
            if not isinstance(column, list):
                raise _refusal((*at, name), "expected a list of values, one for each instance")
            self._require_few(column)
            if name not in self._listed and any(isinstance(one, list) for one in column):
                rows = [row for row, one in enumerate(column) if isinstance(one, list) and len(one) == 1]
                nested.update((name, row) for row in rows)
                column = [one[0] if isinstance(one, list) and len(one) == 1 else one for one in column]  # noqa: PLW2901
            cells[name] = column
        if len({len(column) for column in cells.values()}) > 1:
            lengths = first_words([f"{clip(name)} {len(column)}" for name, column in cells.items()], _MOST_NAMED)
            raise _refusal(at, f"the columns have different lengths: {lengths}")
        self._require_features(cells, at)
        made = [dict(zip(cells, row, strict=True)) for row in zip(*cells.values(), strict=True)]
        instances = [self._without_gaps(one) for one in made] if is_frame else made
        return ColumnInstances(instances, at, frozenset(nested), added=len(made) * _size_of(cells))

    def _require_features(self, names: Iterable[str], at: Path) -> None:
        """Raise `Problem` if no column has the name of a feature that is required."""
        known = dict.fromkeys(names)
        missing = [name for name in self._schema.required if name not in known]
        if missing:
            if not known:
                raise _refusal(at, "there are no columns")
            others = [clip(name) for name in known if name not in self._schema.properties][:_MOST_NAMED]
            there = ("other columns", others) if others else ("the columns are", [*map(clip, known)])
            said = {name: say_lacking(name, there[1], there[0]) for name in missing[:_MOST_NAMED]}
            raise violations_problem(
                Violation(at, f"there is no column {show(name)} {hint}", "", ()) for name, hint in said.items()
            )

    def _of_features(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the features of a row of a frame, which may have other columns too, without its gaps."""
        known = self._schema.properties
        return self._without_gaps({name: value for name, value in row.items() if name in known} if known else row)

    def _without_gaps(self, instance: Mapping[str, Any]) -> dict[str, Any]:
        """Leave out optional features that are null."""
        return {name: value for name, value in instance.items() if value is not None or name not in self._optional}

    def _without_gaps_in(self, sent: ListedInstances) -> ListedInstances:
        if self._form != "object":
            return sent
        made = [self._without_gaps(one) if isinstance(one, dict) else one for one in sent.instances]
        return replace(sent, instances=made)


def _named(row: Any, names: Sequence[str], at: Path) -> dict[str, Any]:
    if not isinstance(row, list):
        raise _refusal(at, f"expected a list of {plural(len(names), 'value')}")
    if len(row) != len(names):
        wanted = first_words(names, _MOST_NAMED)
        raise _refusal(at, f"expected {plural(len(names), 'value')}, for {wanted}; got {len(row)}")
    return dict(zip(names, row, strict=True))


def _size_of(names: Iterable[str]) -> int:
    """Return how many bytes these names take in an object of JSON."""
    return sum(len(name) + 4 for name in names)


def _refusal(at: Path, detail: str) -> Exception:
    return violations_problem([Violation(at, detail, "", ())])
