"""What a generation is made of, and how it is made: a spec that has passed every check, with its models.

A snapshot is all that a worker needs. No file is read for it again, so that what is served is what was checked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.bundle import unpack_bundle
from engine.diagnostics import Diagnostic
from engine.errors import SpecError
from engine.handling import build_handler
from engine.isolation import Progress, Tell, run_isolated
from engine.models import (
    Facts,
    LoadedEstimators,
    PreparedModel,
    Snapshot,
    complete_spec,
    pin_models,
    prepare_models,
    rehearse_models,
    restore_models,
)
from engine.spec import FilePattern, Opens, Spec, Watched, load_spec

Stamp = tuple[int, ...] | None


def stamp_files(files: Iterable[Watched]) -> dict[Watched, Stamp]:
    """Return the files' stamps."""
    return {file: stamp_file(file) for file in files}


def stamp_file(file: Watched) -> Stamp:
    """Return what changes when a file does, or the names that match a pattern; None where there is no such file."""
    if isinstance(file, FilePattern):
        return file.stamp()
    try:
        found = file.stat()
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev


@dataclass(frozen=True, slots=True)
class SpecSource:
    """Where a spec is read from, and by how many workers it is served.

    If `locked`, nothing is served that is not pinned, and nothing is pinned. With a `bundle`, the spec and its models
    come from that, whatever the two files are, if it has this `sha256`, or any if that is None.
    """

    routes: str
    models: str | None
    locked: bool = False
    workers: int = 1
    bundle: Path | None = None
    sha256: str | None = None

    def read(self, opens: Opens = lambda _: None) -> tuple[Spec, Mapping[str, PreparedModel] | None]:
        """Read the spec, and its models where they come compiled; raise `SpecError`."""
        if self.bundle is not None:
            return unpack_bundle(self.bundle, self.sha256, opens)
        return load_spec(self.routes, self.models, locked=self.locked, opens=opens), None


@dataclass(slots=True)
class CheckResult:
    """What became of a check: a snapshot, or the mistakes; and the files that it has read, as they were before.

    Of a check that has passed, `mistakes` are warnings, and `notes` what else people are told. `modules` is empty where
    workers import no module beside models.yaml, and otherwise differs where one of these does.
    """

    stamps: dict[Watched, Stamp] = field(default_factory=dict)
    snapshot: bytes | None = None
    facts: tuple[Facts, ...] = ()
    notes: tuple[str, ...] = ()
    mistakes: tuple[Diagnostic, ...] = ()
    modules: str = ""

    def note(self, files: Iterable[Watched]) -> None:
        """Note files as they are, before they are opened."""
        for file in files:
            self.stamps.setdefault(file.absolute(), stamp_file(file))


@dataclass(frozen=True, slots=True)
class ReadSpec:
    """A spec that has been read, its models where they come compiled, and its files as they were before."""

    spec: Spec
    packed: Mapping[str, PreparedModel] | None
    stamps: Mapping[Watched, Stamp]


def read_spec(source: SpecSource) -> ReadSpec:
    """Read a spec; raise `SpecError`."""
    outcome = CheckResult()
    spec, packed = source.read(outcome.note)
    return ReadSpec(spec, packed, outcome.stamps)


def check_spec(
    source: SpecSource,
    progress: Progress = lambda _: None,
    stamped: Callable[[dict[Watched, Stamp]], None] = lambda _: None,
    known: ReadSpec | None = None,
) -> CheckResult:
    """Do all that can fail: read the spec, prepare its models, build the app as a worker will.

    `stamped` is called with the files before the work on their contents begins. A spec that is `known` is not read
    again.
    """
    outcome = CheckResult() if known is None else CheckResult(dict(known.stamps))

    def opens_modules(files: Iterable[Path]) -> None:
        outcome.note(files)
        stamped(outcome.stamps)

    try:
        spec, packed = source.read(outcome.note) if known is None else (known.spec, known.packed)
        opened = LoadedEstimators(opens_modules)
        stamped(outcome.stamps)
        prepared = prepare_models(spec, progress, opened) if packed is None else packed
        if packed is None and stamp_files(outcome.stamps) == outcome.stamps:
            outcome.notes = pin_newcomers(spec, prepared, opened, progress)
        spec = complete_spec(spec, prepared, opened)
        predictors = restore_models(spec, prepared, opened=opened, is_checked=False)
        if packed is not None:
            rehearse_models(spec, predictors, is_elsewhere=True)
        build_handler(spec, predictors)
    except SpecError as error:
        outcome.mistakes = error.diagnostics
        return outcome
    if spec.lock is not None and outcome.notes:
        outcome.stamps[spec.lock.absolute()] = stamp_file(spec.lock)
    outcome.facts = tuple(predictor.facts for predictor in predictors.values())
    served = [(facts.name, facts.report.instead) for facts in outcome.facts]
    outcome.notes += tuple(f"{name}: {instead}" for name, instead in served if instead)
    outcome.notes += tuple(f"{facts.name}: {facts.note}" for facts in outcome.facts if facts.note)
    kept = {name: one.without_file() for name, one in prepared.items()}
    of_models = (warning for facts in outcome.facts for warning in facts.warnings)
    outcome.mistakes = tuple(sorted((*spec.warnings, *of_models, *counting_apart(spec, source.workers))))
    outcome.modules = _identify_modules(kept)
    outcome.snapshot = Snapshot(spec, kept).dump()
    return outcome


def _identify_modules(prepared: Mapping[str, PreparedModel]) -> str:
    """Identify the modules that the models need in a worker; empty where they need none."""
    digest, needs_any = hashlib.sha256(), False
    for name, one in sorted(prepared.items()):
        for file, data in sorted(one.modules.items()):
            needs_any = True
            digest.update(f"{name} {file} {len(data)}\n".encode() + data)
    return digest.hexdigest() if needs_any else ""


def counting_apart(spec: Spec, workers: int) -> Iterator[Diagnostic]:
    """Warn of rates that every worker counts by itself."""
    limits = [spec.service.rate, *(route.rate for route in spec.routes)]
    limited = next((limit for limit in limits if limit is not None), None)
    if limited is not None and workers > 1 and spec.service.rates.storage == "memory":
        message = (
            f"each of the {workers} workers counts separately, so more requests get through; serve with -w 1, or "
            'count in one place, under service: "rate_limit: {limit: %s, storage: redis://HOST}"' % limited
        )
        yield Diagnostic(limited.place(), message, "warning")


def pin_newcomers(
    spec: Spec, prepared: Mapping[str, PreparedModel], opened: LoadedEstimators, progress: Progress
) -> tuple[str, ...]:
    """Pin the models that have no pin yet, as they are on first use, and say so."""
    new = {name: file for name in unpinned_models(spec) if (file := prepared[name].file) is not None}
    if not new or spec.lock is None:
        return ()
    try:
        pinned = pin_models(spec, new, opened, progress)
    except OSError as error:
        return (f"{', '.join(new)}: not pinned, since {spec.lock} cannot be written ({error.strerror})",)
    return tuple(f"{one.name}: pinned in {spec.lock} on first use, sha256 {one.sha256}" for one in pinned)


def unpinned_models(spec: Spec) -> tuple[str, ...]:
    """Name the models that are not pinned."""
    return tuple(name for name, model in spec.file_models.items() if model.pin is None)


def check_isolated(
    source: SpecSource,
    progress: Progress = lambda _: None,
    stamped: Callable[[Mapping[Watched, Stamp]], None] = lambda _: None,
) -> CheckResult:
    """Check a spec in another process, as `check_spec` does in this one; raise `LostProcess` if that process ends."""

    def hear(told: Any) -> None:
        (progress if isinstance(told, str) else stamped)(told)

    return run_isolated(_check, source, hear=hear)


def _check(source: SpecSource, tell: Tell) -> CheckResult:
    return check_spec(source, tell, tell)
