"""Pinning: write down which bytes a model's file has, and what it answers, so that nothing else is ever opened."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import chain, islice
from pathlib import Path
from typing import Any

from engine.errors import Diagnostic, SpecError
from engine.models.compile import Progress, uncompiled
from engine.models.holding import hold
from engine.models.modelfile import ModelFile, format_of, read_file
from engine.models.modules import hash_modules
from engine.models.predictor import Predictor
from engine.models.prepared import Opened
from engine.models.reference import reference_instances
from engine.spec import Model, Spec, load, write_pins

GOLDEN = 10

_LIBRARIES = {"onnx": ("onnxruntime",), "pickle": ("joblib", "numpy", "scikit-learn")}
_LIBRARIES["skops"] = ("numpy", "scikit-learn", "skops")


@dataclass(frozen=True, slots=True)
class Pinned:
    """What became of a model's pin: `was` is its SHA-256 before, or None, and `anew` is what else has changed in it."""

    name: str
    sha256: str
    was: str | None
    anew: tuple[str, ...] = ()


def lock_models(
    routes: str | Path = "routes.yaml",
    models: str | Path | None = None,
    names: Iterable[str] = (),
    progress: Progress = lambda _: None,
) -> tuple[Pinned, ...]:
    """Pin models as their files are now, all of them or the named ones, in the models.lock beside models.yaml.

    This opens the files, to ask each model for its golden answers. Raises `SpecError` for a spec with mistakes
    or a model that cannot be loaded, `KeyError` for a name that is no model's, `OSError` where the lock cannot be
    written.
    """
    spec = load(routes, models)
    chosen = [spec.models[name] for name in names]
    if not chosen:
        chosen = list(spec.models.values())
        spec = replace(spec, pins={})
    return pin(spec, {model.name: read_file(model) for model in chosen}, Opened(), progress)


def pin(spec: Spec, files: Mapping[str, ModelFile], opened: Opened, progress: Progress) -> tuple[Pinned, ...]:
    """Pin the models of a spec whose files are given, and keep every other pin."""
    found: list[Diagnostic] = []
    pins: dict[str, dict[str, Any]] = {name: one.node.plain for name, one in spec.pins.items()}
    for name, file in files.items():
        progress(f"{name}: asking for its golden answers")
        try:
            pins[name] = _pin(replace(spec.models[name], pin=None), file, opened)
        except SpecError as error:
            found += error.diagnostics
    if found:
        raise SpecError(found)
    if spec.lock is not None:
        write_pins(spec.lock, pins)
    return tuple(_pinned(spec.models[name], pins[name]) for name in files)


def _pinned(model: Model, pin: Mapping[str, Any]) -> Pinned:
    before = model.pin.node.plain if model.pin is not None else pin
    anew = tuple(key for key in ("golden", "libraries", "modules") if before.get(key, {}) != pin.get(key, {}))
    return Pinned(model.name, pin["sha256"], model.pin.sha256 if model.pin is not None else None, anew)


def _pin(model: Model, file: ModelFile, opened: Opened) -> dict[str, Any]:
    kind = format_of(model.file)
    golden = _golden(model, file, opened)
    modules = hash_modules(opened.modules(model, file))
    return {
        "sha256": file.sha256,
        "format": kind,
        "libraries": {library: version(library) for library in _LIBRARIES[kind]},
        **({"modules": modules} if modules else {}),
        "golden": golden,
    }


def _golden(model: Model, file: ModelFile, opened: Opened) -> list[dict[str, Any]]:
    """Ask the model, as its file has it, for its answers to its examples and to the first rows of its reference.

    Raises `SpecError` for an example that it answers otherwise.
    """
    predict = uncompiled(model, file, opened)
    hold(model.examples, predict)
    valid = model.input.validator().is_valid
    instances = chain((example.input for example in model.examples), filter(valid, reference_instances(model)))
    asked = (_answer(predict, instance) for instance in islice(instances, GOLDEN))
    return [answer for answer in asked if answer is not None]


def _answer(predict: Predictor, instance: Any) -> dict[str, Any] | None:
    """Give an instance with its result, or None where the model refuses it or says what JSON cannot hold."""
    try:
        answer = {"input": instance, "result": predict([instance]).result[0]}
        json.dumps(answer, allow_nan=False)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - a model may raise anything
        return None
    return answer
