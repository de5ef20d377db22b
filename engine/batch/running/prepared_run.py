"""A spec and the name of a model → the snapshot with which any process scores rows, and what is known of the model."""

from __future__ import annotations

from dataclasses import replace

from engine.batch.running.scored_model import ScoredModel
from engine.isolation import Progress
from engine.models import LoadedEstimators, Snapshot, complete_spec, prepare_models, restore_models
from engine.spec import FileModel, Spec, load_spec


def prepare_model(routes: str, models: str | None, name: str, progress: Progress) -> tuple[bytes, ScoredModel]:
    """Compile a model and those that it asks; return them as a snapshot, and what is known of the model.

    Raises `SpecError`.
    """
    opened = LoadedEstimators()
    spec = spec_of_model(load_spec(routes, models), name)
    prepared = prepare_models(spec, progress, opened)
    spec = complete_spec(spec, prepared, opened)
    model = spec.models[name]
    if isinstance(model, FileModel):
        scored = ScoredModel.of_file(model, prepared[name])
    else:
        facts = restore_models(spec, prepared, opened=opened, is_checked=False)[name].facts
        scored = ScoredModel.of_composition(model, facts)
    return Snapshot(spec, {name: one.without_file() for name, one in prepared.items()}).dump(), scored


def spec_of_model(spec: Spec, name: str) -> Spec:
    """Return the part of a spec that a model needs."""
    return replace(spec, routes=(), built_in=()).only([name])
