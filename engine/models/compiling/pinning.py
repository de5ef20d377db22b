"""Pinning: record the hash and the answers of a model's file, so that no other file is ever opened in its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

from engine.diagnostics import Diagnostic
from engine.errors import SpecError
from engine.isolation import Progress, Step
from engine.models.compiling.prepare import open_uncompiled, require_pinned_file
from engine.models.composing.open_models import OpenModels
from engine.models.data.reference import reference_instances
from engine.models.files.formats import installed_version, require_format
from engine.models.files.model_file import ModelFile, read_file
from engine.models.files.modules import hash_modules
from engine.models.predictor import ModelPredictor, Predictor
from engine.models.restoring.known_answers import hold_examples, own_answer, renewed_results
from engine.models.restoring.pinned_entry import entry_of
from engine.models.restoring.prepared import LoadedEstimators
from engine.spec import FileModel, Spec, load_spec, write_pins, write_results

GOLDEN = 10


@dataclass(frozen=True, slots=True)
class Pinned:
    """The result of pinning a model: `was` is its SHA-256 before, or None, and `changed` what else of its pin changed.

    `renewed` is the number of its recorded examples that now have another result.
    """

    name: str
    sha256: str
    was: str | None
    changed: tuple[str, ...] = ()
    renewed: int = 0


def lock_models(
    routes: str | Path = "routes.yaml",
    models: str | Path | None = None,
    names: Iterable[str] = (),
    progress: Progress = lambda _: None,
    *,
    accept: bool = False,
) -> tuple[Pinned, ...]:
    """Pin models as their files are now, all of them or the named ones, in the models.lock beside models.yaml.

    With `accept`, the recorded examples in models.yaml get the results that the models give now.

    This opens the files, to ask each model for its golden answers. Raises `SpecError` for a spec with mistakes or a
    model that cannot be loaded, `KeyError` for an unknown model, `OSError` if the lock cannot be written.
    """
    spec = load_spec(routes, models)
    chosen = [spec.file_models[name] for name in names]
    if not chosen:
        chosen = list(spec.file_models.values())
        spec = replace(spec, pins={})
    return pin_models(
        spec, {model.name: read_file(model) for model in chosen}, LoadedEstimators(), progress, accept=accept
    )


def pin_models(
    spec: Spec, files: Mapping[str, ModelFile], opened: LoadedEstimators, progress: Progress, *, accept: bool = False
) -> tuple[Pinned, ...]:
    """Pin the models of a spec whose files are given, and keep every other pin; with `accept`, renew their examples."""
    found: list[Diagnostic] = []
    models = OpenModels(spec, lambda model: _open_part(model, files, opened))
    pins: dict[str, dict[str, Any]] = {name: one.node.plain for name, one in spec.pins.items()}
    renewed: dict[str, dict[int, Any]] = {}
    for name, file in files.items():
        progress(Step("computing its golden answers", name))
        try:
            model = replace(models.complete(name, with_examples=True), pin=None)
            predictor, prepared = open_uncompiled(model, file, opened)
            renewed[name] = renewed_results(model, predictor) if accept else {}
            pins[name] = {
                **_pin(_with_results(model, renewed[name]), file, opened, predictor),
                "entry": entry_of(model, prepared.compiled),
            }
        except SpecError as error:
            found += error.diagnostics
    if found:
        raise SpecError(found)
    write_results(spec.models, renewed)
    if spec.lock is not None:
        write_pins(spec.lock, pins)
    return tuple(_pinned(spec.file_models[name], pins[name], len(renewed[name])) for name in files)


def _open_part(model: FileModel, files: Mapping[str, ModelFile], opened: LoadedEstimators) -> ModelPredictor:
    """Open a model that a chain asks, which is pinned too, or still has the file of its pin."""
    if model.name in files:
        return open_uncompiled(replace(model, pin=None), files[model.name], opened)[0]
    file = read_file(model)
    require_pinned_file(model, file)
    return open_uncompiled(model, file, opened)[0]


def _pinned(model: FileModel, pin: Mapping[str, Any], renewed: int) -> Pinned:
    before = model.pin.node.plain if model.pin is not None else pin
    changed = tuple(
        key for key in ("golden", "libraries", "modules", "data", "entry") if before.get(key, {}) != pin.get(key, {})
    )
    return Pinned(model.name, pin["sha256"], model.pin.sha256 if model.pin is not None else None, changed, renewed)


def _pin(model: FileModel, file: ModelFile, opened: LoadedEstimators, predictor: Predictor) -> dict[str, Any]:
    written = require_format(model)
    modules = hash_modules(opened.modules(model, file))
    return {
        "sha256": file.sha256,
        "format": written.name,
        "libraries": {library: installed_version(library) for library in written.pinned},
        **({"data" if written.is_graph else "modules": modules} if modules else {}),
        "golden": _golden(model, predictor),
    }


def _golden(model: FileModel, predictor: Predictor) -> list[dict[str, Any]]:
    """Ask the model, as it is in its file, for its answers to its examples and to the first rows of its reference.

    Raises `SpecError` for an example with another result.
    """
    hold_examples(model, predictor)
    valid = model.input.validator().is_valid
    instances = chain((example.input for example in model.examples), filter(valid, reference_instances(model)))
    asked = ((instance, own_answer(predictor, instance)) for instance in islice(instances, GOLDEN))
    return [{"input": instance, "result": answer[0]} for instance, answer in asked if answer is not None]


def _with_results(model: FileModel, results: Mapping[int, Any]) -> FileModel:
    """Put other results into a model's examples, by their places."""
    examples = enumerate(model.examples)
    return replace(
        model,
        examples=tuple(replace(one, result=results[place]) if place in results else one for place, one in examples),
    )
