"""The table of compositions, and the predictor and the facts that each of them has."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.models.composing.average import compose_average
from engine.models.composing.chain import compose_chain
from engine.models.composing.composed import Composed, Parts
from engine.models.composing.part import Part
from engine.models.composing.switch import compose_switch
from engine.models.composing.table import check_table, compose_table
from engine.models.data.instances import Columns
from engine.models.predictor import Facts, ModelPredictor, Predictor
from engine.models.runtime.report import Report, Trial
from engine.spec import Average, Chain, Composition, Switch, Table

_MAKERS: Mapping[type[Composition], Callable[[Composition, Parts], Composed]] = {
    Average: compose_average,
    Switch: compose_switch,
    Table: compose_table,
}


class ComposedPredictor(ModelPredictor):
    """Answers by asking its parts; `own` is the predictor of its own file, None if it has none."""

    def __init__(self, composed: Composed, facts: Facts, own: ModelPredictor | None) -> None:
        names = facts.features if isinstance(facts.features, tuple) else ()
        columns = Columns(list, names, len(names), "mappings")
        super().__init__(columns, composed.runtime, composed.wording, facts)
        self.own = own


def own_of(predictor: Predictor) -> Predictor | None:
    """Return the predictor of a model's own file, None if it has none."""
    return predictor.own if isinstance(predictor, ComposedPredictor) else predictor


def compose_model(model: Composition, parts: Parts, own: ModelPredictor | None) -> ComposedPredictor:
    """Make the predictor of a composition; raise `SpecError` for parts that do not go together."""
    if isinstance(model, Chain) and own is not None:
        composed = compose_chain(model, parts, own)
    else:
        composed = _MAKERS[type(model)](model, parts)
    asked = [*parts.values()]
    return ComposedPredictor(composed, _facts(model, composed, asked, own), own)


def check_rows(model: Composition, parts: Parts) -> None:
    """Raise `SpecError` for rows of a table that its model cannot take."""
    if isinstance(model, Table):
        check_table(model, parts)


def _facts(model: Composition, composed: Composed, parts: Sequence[Part], own: ModelPredictor | None) -> Facts:
    asked = [part.facts for part in parts] + ([own.facts] if own is not None else [])
    return Facts(
        name=model.name,
        file=composed.file,
        bytes=composed.size,
        sha256=_identity(model, composed, parts),
        estimator=composed.title,
        kind=composed.kind,
        response_method="predict" if composed.wording.classes is None else _response_method(asked),
        features=tuple(model.input.instance.properties),
        classes=composed.wording.classes,
        keys=composed.wording.keys,
        threshold=composed.threshold,
        loaded=max(facts.loaded for facts in asked),
        rows=_rows(model, own),
        result=composed.result,
        largest=None,
        trained_with="",
        examples=len(model.examples),
        report=_report([facts.report for facts in asked]),
        note="",
        warnings=own.facts.warnings if own is not None else (),
        placement=own.facts.placement if own is not None else None,
        is_composed=True,
        is_stand_in=any(facts.is_stand_in for facts in asked),
        is_remote=any(facts.is_remote for facts in asked),
    )


def _response_method(asked: Sequence[Facts]) -> Any:
    return next((facts.response_method for facts in reversed(asked)), "predict")


def _identity(model: Composition, composed: Composed, parts: Sequence[Part]) -> str:
    """Hash what the answers depend on: the entry, its own file, and the same of each part."""
    entry = {key: value for key, value in model.node.plain.items() if key not in ("description", "scale")}
    made_from = [entry, composed.identity, [[part.name, part.facts.sha256] for part in parts]]
    return hashlib.sha256(json.dumps(made_from).encode()).hexdigest()


def _rows(model: Composition, own: ModelPredictor | None) -> tuple[Any, ...]:
    """Return the rows of a chain's reference, which may be shown, without its computed features."""
    if own is None or not own.facts.rows or not isinstance(model, Chain):
        return ()
    computed, is_valid = {one.name for one in model.own.computed}, model.input.validator().is_valid
    rows = ({name: value for name, value in row.items() if name not in computed} for row in own.facts.rows)
    return tuple(filter(is_valid, rows))


def _report(reports: Sequence[Report]) -> Report:
    """Say what computes a composition: scikit-learn if it computes any part, else what computes the last."""
    said = next((one for one in reports if not one.is_compiled), reports[-1])
    runtime = said.runtime
    seconds = [one.seconds for one in reports]
    known = [one for one in seconds if one is not None]
    total = sum(known) if len(known) == len(seconds) and runtime != "sklearn" else None
    trials = () if total is None else (Trial("its parts", runtime, "not proven", one_row=total),)
    instead = next((one.instead for one in reports if one.instead), "")
    return Report(
        runtime, verdict="not proven", why="its parts answer", trials=trials, instead=instead, library=said.library
    )
