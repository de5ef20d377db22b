"""What `init` will write, found out in a process apart, and checked before anything is written."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.diagnostics import Diagnostic, Place
from engine.errors import SpecError
from engine.isolation import Progress, Step
from engine.models import LoadedEstimators
from engine.spec import Draft, ModelEntry
from engine.terminal import show_progress


@dataclass(frozen=True, slots=True)
class SpecFiles:
    """The two files that a spec is or will be; `given` are the options that name them to other commands."""

    routes: Path
    models: Path
    given: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for: a model's file, how to read it, its name, the `path` of the route to add, and where to."""

    file: Path
    reference: Path | None
    trusted: tuple[str, ...]
    allow_version_mismatch: bool
    name: str
    path: str | None
    target: SpecFiles


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be written, with its example, or why there is none, and what `check` will warn of."""

    drafts: Sequence[Draft]
    example: tuple[Any, Any] | None
    refused: str
    warnings: Sequence[Diagnostic]


class MistakenError(SpecError):
    """The spec would have mistakes with what is planned."""


def plan_entry(wish: Wish) -> Plan:
    """Plan in another process, which runs what is in the model's file; raise `SpecError`."""
    from engine.isolation import LostProcess, run_isolated

    try:
        with show_progress() as show:
            return run_isolated(_plan_here, wish, hear=show)
    except LostProcess as lost:
        raise SpecError([Diagnostic(Place(str(wish.file)), f"stopped while {lost.step.doing}: {lost.why}")]) from None


def _plan_here(wish: Wish, progress: Progress) -> Plan:
    """Plan without the warnings of libraries, which `check` and `serve` show: here they would be about mere tries."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda *_, **__: None
        return _planned_entry(wish, progress)


def _planned_entry(wish: Wish, progress: Progress) -> Plan:
    """Plan what passes `check`: without the example if the compiled model gives it a slightly different answer."""
    from engine.models import LoadedEstimators, to_compile
    from engine.spec import bare_model, draft_model, name_from

    bare = bare_model(wish.file)
    if lack := to_compile(bare.file, bare.model_folder):
        raise SpecError([Diagnostic(Place(str(wish.file)), lack)])
    from engine.models.outlining.model_outline import outline_model

    folder, opened = wish.target.models.parent, LoadedEstimators()
    progress(Step(f"inspecting {wish.file.name}"))
    outline = outline_model(
        wish.file,
        wish.reference,
        trusted=wish.trusted,
        allow_version_mismatch=wish.allow_version_mismatch,
        folder=folder,
        opened=opened,
    )
    reference = wish.reference if outline.form != "text" else None
    entry = ModelEntry(
        name=wish.name,
        file=name_from(folder, wish.file),
        reference=name_from(folder, reference) if reference is not None else None,
        outline=outline,
        trusted=wish.trusted,
        allow_version_mismatch=wish.allow_version_mismatch,
    )
    refused = ""
    while True:
        drafts = draft_model(wish.target.routes, wish.target.models, entry, wish.path)
        try:
            found = _check_planned(*_planned(wish.target, drafts), progress, opened)
        except SpecError as error:
            if entry.outline.example is None:
                raise MistakenError(error.diagnostics) from None
            refused = refused or error.diagnostics[0].message
            entry = replace(entry, outline=replace(outline, example=None))
        else:
            return Plan(drafts, entry.outline.example, refused, found.get(wish.name, ()))


def check_plan(target: SpecFiles, drafts: Sequence[Draft]) -> None:
    """Do what `check` does, with the files as they will be; raise `SpecError`."""
    from engine.models import run_with_models
    from engine.spec import load_spec

    routes, models, planned = _planned(target, drafts)
    spec = load_spec(routes, models, drafts=planned)
    with show_progress() as show:
        run_with_models(spec, _check_planned, routes, models, planned, progress=show)


def _planned(target: SpecFiles, drafts: Sequence[Draft]) -> tuple[Path, Path | None, Mapping[Path, bytes]]:
    """Return the two files, the second only if it will exist, and their planned contents."""
    planned = {draft.path: draft.after for draft in drafts}
    models = target.models if target.models in planned or target.models.exists() else None
    return target.routes, models, planned


def _check_planned(
    routes: Path,
    models: Path | None,
    planned: Mapping[Path, bytes],
    progress: Progress,
    opened: LoadedEstimators | None = None,
) -> dict[str, Sequence[Diagnostic]]:
    """Do what `check` does, and return what it warns of, by the models' names."""
    from engine.handling import open_service

    _, predictors = open_service(routes, models, progress, drafts=planned, opened=opened)
    return {name: one.facts.warnings for name, one in predictors.items()}
