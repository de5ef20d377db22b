"""What an entry of models.yaml says of its model's answers, which is pinned together with the model's file.

Golden answers notice most changes of it, but not a threshold that none of them is near.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.diagnostics import Diagnostic
from engine.errors import SpecError
from engine.models.data.dtypes import NAN
from engine.models.data.features import default_of
from engine.models.data.instances import TrainedInput, column_order
from engine.models.restoring.compiled_model import CompiledModel
from engine.models.runtime.threshold import named_threshold
from engine.schema import show
from engine.spec import FileModel

# How a message begins, and where in the entry it points.
_KEYS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "response_method": ("the response_method is", ("response_method",)),
    "graph_outputs": ("the graph_outputs are", ("graph_outputs",)),
    "threshold": ("the threshold is", ("threshold",)),
    "labels": ("the labels are", ("output", "labels")),
    "features": ("the columns are", ("input", "properties")),
    "defaults": ("the defaults of features are", ("input", "properties")),
    "dtypes": ("the dtypes are", ("dtypes",)),
    "rows": ("the rows are", ("rows",)),
}
_SHOWN = 4


def entry_of(model: FileModel, compiled: CompiledModel) -> dict[str, Any]:
    """Return what a model's entry says of its answers.

    What is not said, or says what would be so anyway, is left out. The input's other keywords only accept or refuse.
    """
    wording = compiled.wording
    said = {
        "response_method": model.response_method,
        "graph_outputs": {method: list(names) for method, names in model.graph_outputs.items()},
        "threshold": dict(named_threshold(model, wording)),
        "labels": list(wording.labels or ()),
        "features": _own_order(model, compiled.wanted),
        "defaults": _defaults(model),
        "dtypes": dict(model.dtypes),
        "rows": model.rows if model.rows != "auto" else None,
    }
    return {key: value for key, value in said.items() if value}


def require_pinned_entry(model: FileModel, compiled: CompiledModel) -> None:
    """Raise `SpecError` where the entry says something else of answers than when it was pinned.

    A pin that an earlier version wrote does not know.
    """
    pinned = model.pin.entry if model.pin is not None else None
    if model.pin is None or pinned is None:
        return
    now, lock = entry_of(model, compiled), model.pin.place().file
    mistakes = []
    for key, (subject, path) in _KEYS.items():
        if now.get(key) != pinned.get(key) and not (key == "features" and _are_others(now, pinned)):
            here, there = map(_shown, _differing(now.get(key), pinned.get(key)))
            where = ("features",) if key == "features" and model.features is not None else path
            message = (
                f"{subject} {here} here and {there} in {lock}, which changes answers; if that is right, accept it: "
                f"{model.lock_command}"
            )
            mistakes.append(Diagnostic(model.place(*where), model.node.hidden(message)))
    if mistakes:
        raise SpecError(mistakes)


def _are_others(now: Mapping[str, Any], pinned: Mapping[str, Any]) -> bool:
    """Return whether the columns have other names, so that it is the golden answers that no longer match."""
    return sorted(now.get("features", ())) != sorted(pinned.get("features", ()))


def _own_order(model: FileModel, wanted: TrainedInput) -> list[str]:
    """Return the entry's order of columns; none where the model knows its own, or instances are no objects."""
    if wanted.names is not None or model.input.instance.form != "object":
        return []
    is_mapping = "mappings" in (model.rows, wanted.rows)
    return [] if is_mapping else list(column_order(model, wanted))


def _defaults(model: FileModel) -> dict[str, Any]:
    defaults = {name: default_of(model, name) for name in model.input.instance.properties}
    return {name: value for name, value in defaults.items() if value is not NAN}


def _differing(now: Any, pinned: Any) -> tuple[Any, Any]:
    """Leave out what is the same in both, so that a message can show the rest."""
    if isinstance(now, dict) and isinstance(pinned, dict):
        names = [name for name in {**pinned, **now} if now.get(name, NAN) != pinned.get(name, NAN)][:_SHOWN]
        return tuple({name: one[name] for name in names if name in one} for one in (now, pinned))  # type: ignore[return-value]
    if isinstance(now, list) and isinstance(pinned, list):
        places = range(min(len(now), len(pinned)))
        first = next((place for place in places if now[place] != pinned[place]), len(places))
        return now[first : first + _SHOWN], pinned[first : first + _SHOWN]
    return now, pinned


def _shown(value: Any) -> str:
    return show(value) if value else "none"
