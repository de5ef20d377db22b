"""category_encoders' encoders → lookups, by asking the encoder what it makes of each category that it knows.

Each of them turns a cell into one or more numbers, whatever the other cells are, so that its answers are all there is
to know; the proof compares other rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from engine.models.lowering.frames.columns import apart, lookup
from engine.models.lowering.result import NotLowered, Steps

MOST_CATEGORIES = 20_000
_OTHER_TEXT, _OTHER_NUMBER = "engine: a category that nobody has", 7_340_033_101
_REFUSED = "Unexpected categories found in dataframe"


def lower_category_encoder(step: Any, lower: Callable[[Any], Steps]) -> Steps | None:  # noqa: ARG001 - one shape for all
    """Lower an encoder of category_encoders, None if it is none; raise `NotLowered`."""
    kind = type(step)
    if not kind.__module__.startswith("category_encoders."):
        return None
    known = _known_categories(step)
    names = list(step.feature_names_in_)
    if set(known) != set(step.cols) or max(map(len, known.values()), default=0) > MOST_CATEGORIES:
        raise NotLowered(f"category_encoders' {kind.__name__}")
    asking = _Asking(step, names, known)
    owners = asking.owners()
    columns: list[Any] = []
    for output, owner in enumerate(owners):
        if owner not in known:
            columns.append(((names.index(owner),), (), 1))
        elif output == 0 or owners[output - 1] != owner:
            end = next((place for place in range(output, len(owners)) if owners[place] != owner), len(owners))
            columns.append(((names.index(owner),), (asking.lookup(owner, output, end),), end - output))
    return (apart(columns),)


def _known_categories(step: Any) -> Mapping[str, list[Any]]:
    """Return the categories of each column, as the encoder has them."""
    inner = getattr(step, "ordinal_encoder", None)
    listed = getattr(inner if inner is not None else step, "category_mapping", None)
    if listed is not None:
        return {one["col"]: _plain(one["mapping"].index) for one in listed}
    mapping = getattr(step, "mapping", None)
    if not isinstance(mapping, Mapping):
        raise NotLowered(f"category_encoders' {type(step).__name__}")
    return {name: _plain(table.index) for name, table in mapping.items()}


def _plain(values: Any) -> list[Any]:
    """Return the values that are not missing."""
    return [value for value in np.asarray(values, object).tolist() if value is not None and value == value]  # noqa: PLR0124


class _Asking:
    """Asks an encoder: one column is varied, the others keep their first category, or 0."""

    def __init__(self, step: Any, names: Sequence[str], known: Mapping[str, list[Any]]) -> None:
        self._step, self._names, self._known = step, names, known
        self._found = {name: self._answers(name, values) for name, values in known.items() if values}
        if len(self._found) < len(known):
            raise NotLowered(f"category_encoders' {type(step).__name__} of a column without categories")

    def _answers(self, name: str, values: Sequence[Any]) -> Any:
        import pandas as pd  # noqa: PLC0415 - an optional extra

        cells = {one: [self._known[one][0] if one in self._known else 0.0] * len(values) for one in self._names}
        answer = self._step.transform(pd.DataFrame({**cells, name: [*values]}))
        return answer if isinstance(answer, pd.DataFrame) else pd.DataFrame(answer)

    def _alone(self, name: str, value: Any) -> Any:
        """Return the answer to one cell, None if the encoder refuses it."""
        beside = self._known[name][0]  # whose dtype the answer then has
        try:
            found = self._answers(name, [beside, value])
        except ValueError:
            return None
        return found.iloc[1:]

    def owners(self) -> list[str]:
        """Return the column on which each output depends: an encoded one, or one that is passed on."""
        first = next(iter(self._found.values()), None)
        if first is None:
            return list(self._names)
        passed = [name for name in self._names if name not in self._known]
        owners: list[str] = []
        for place, output in enumerate(map(str, first.columns)):
            if output in passed:
                owners.append(output)
                continue
            varying = [name for name, found in self._found.items() if len(found.iloc[:, place].unique()) > 1]
            named = [name for name in self._known if output == name or output.startswith(f"{name}_")]
            owner = next(iter(varying or named), None)
            if owner is None or len(varying) > 1:
                raise NotLowered(f"category_encoders' {type(self._step).__name__} of several columns at once")
            owners.append(owner)
        return owners

    def lookup(self, name: str, begin: int, end: int) -> Any:
        """Make the lookup of one column to some of the outputs."""
        values = self._known[name]
        is_text = all(isinstance(value, str) for value in values)
        other = self._alone(name, _OTHER_TEXT if is_text else _OTHER_NUMBER)
        missing = self._alone(name, None)
        gap, rest = (None if one is None else _numbers(one, begin, end)[0].tolist() for one in (missing, other))
        return lookup(values, _numbers(self._found[name], begin, end), (gap, rest), _REFUSED)


def _numbers(found: Any, begin: int, end: int) -> Any:
    return np.column_stack([np.asarray(found.iloc[:, place], np.float64) for place in range(begin, end)])
