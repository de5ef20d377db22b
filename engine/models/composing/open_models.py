"""All models of a spec → predictors, each after those that it asks; reads no file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import cast

from engine.diagnostics import Diagnostic
from engine.errors import SpecError
from engine.models.composing.chain import complete_model, with_computed
from engine.models.composing.compositions import ComposedPredictor, check_rows, compose_model, own_of
from engine.models.composing.part import Part
from engine.models.composing.stand_in import stand_in_predictor
from engine.models.predictor import STAND_IN, ModelPredictor, Predictor
from engine.models.restoring.known_answers import hold_examples
from engine.models.restoring.prepared import LoadedEstimators, PreparedModel
from engine.models.restoring.restore import restore_model, restore_remote
from engine.models.runtime.answer import Runtime
from engine.spec import Chain, Composition, FileModel, Model, Spec, StandIn


class OpenModels:
    """The predictors of a spec, made when they are asked for; `own` makes that of a model with a file."""

    def __init__(self, spec: Spec, own: Callable[[FileModel], ModelPredictor]) -> None:
        self._spec = spec
        self._own = own
        self._made: dict[str, ModelPredictor] = {}

    def predictor(self, name: str) -> ModelPredictor:
        """Return the predictor of a model or a composition; raise `SpecError`."""
        if name not in self._made:
            model = self._spec.models[name]
            self._made[name] = self._make(model)
        return self._made[name]

    def complete(self, name: str, *, with_examples: bool = False) -> FileModel:
        """Return the model of an entry's own file, that of a chain with its whole input; raise `SpecError`."""
        model = self._spec.models[name]
        if not isinstance(model, Chain):
            return _file(model)
        if model.is_complete:
            return model.own
        parts = self.parts(model)
        own = complete_model(model, parts)
        return with_computed(model, own, parts) if with_examples else own

    def parts(self, model: Composition) -> Mapping[str, Part]:
        """Return the models that a composition asks."""
        models = self._spec.models
        return {name: Part(models[name], self.predictor(name), model.input) for name in model.parts}

    def _make(self, model: Model) -> ModelPredictor:
        if isinstance(model, Composition):
            return self._compose(model)
        return stand_in_predictor(model) if isinstance(model, StandIn) else self._own(_file(model))

    def _compose(self, model: Composition) -> ComposedPredictor:
        own = self._own(self.complete(model.name)) if isinstance(model, Chain) else None
        return compose_model(model, self.parts(model), own)


def _file(model: object) -> FileModel:
    return cast("FileModel", model)


def in_order(spec: Spec) -> Iterator[str]:
    """Name the models with a file, each after those that its features are computed by."""
    done: set[str] = set()

    def visit(name: str) -> Iterator[str]:
        if name in done:
            return
        done.add(name)
        model = spec.models[name]
        for part in model.parts:
            yield from visit(part)
        if model.file_model is not None:
            yield name

    for name in spec.models:
        yield from visit(name)


def restore_models(
    spec: Spec,
    prepared: Mapping[str, PreparedModel],
    known: Mapping[tuple[str, str], Predictor] | None = None,
    opened: LoadedEstimators | None = None,
    *,
    is_checked: bool = True,
    remote: Mapping[str, Runtime] = MappingProxyType({}),
) -> Mapping[str, Predictor]:
    """Make the models' predictors; those of files that are `known`, by name and key, are reused.

    scikit-learn is imported only if a model is served by it. What is `remote` is computed by another process, which
    these runtimes ask. Compositions that are not yet checked are held to their
    examples, and their tables to their models; raises `SpecError`.
    """
    loaded = opened or LoadedEstimators()
    shared = known or {}

    def own(model: FileModel) -> ModelPredictor:
        one = prepared[model.name]
        if model.name in remote:
            return restore_remote(model, one, remote[model.name])
        found = shared.get((model.name, one.key))
        return cast("ModelPredictor", found) if found is not None else restore_model(model, one, loaded)

    models = OpenModels(spec, own)
    found: list[Diagnostic] = []
    made: dict[str, Predictor] = {}
    for name, model in spec.models.items():
        try:
            if isinstance(model, Composition) and not is_checked:
                check_rows(model, models.parts(model))
            made[name] = models.predictor(name)
            if isinstance(model, Composition) and not is_checked:
                hold_examples(model, made[name])
        except SpecError as error:
            found += error.diagnostics
    if found:
        raise SpecError(found)
    return made


def restore_alone(spec: Spec, prepared: Mapping[str, PreparedModel], name: str) -> ModelPredictor:
    """Make the predictor of one model for a single caller, who waits for each call without a limit."""
    opened = LoadedEstimators()
    models = OpenModels(spec, lambda model: restore_model(model, prepared[model.name], opened, is_shared=False))
    return models.predictor(name)


def complete_spec(spec: Spec, prepared: Mapping[str, PreparedModel], opened: LoadedEstimators) -> Spec:
    """Return the spec in which the model file of each chain has its whole input and examples; raise `SpecError`."""
    if not any(isinstance(model, Chain) for model in spec.models.values()):
        return spec
    open_models = OpenModels(spec, lambda model: restore_model(model, prepared[model.name], opened))
    models = {
        name: replace(model, own=open_models.complete(name, with_examples=True)) if isinstance(model, Chain) else model
        for name, model in spec.models.items()
    }
    return replace(spec, models=models)


def own_predictors(predictors: Mapping[str, Predictor]) -> Mapping[str, Predictor]:
    """Return the predictors of model files: those of chains are those of their own files."""
    found = ((name, own_of(one)) for name, one in predictors.items())
    return {name: one for name, one in found if one is not None and one.facts.estimator != STAND_IN}
