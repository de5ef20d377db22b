"""The file of a bundle → its spec and its compiled models, or the reason why it is not served here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from zipfile import BadZipFile

from engine.bundle.archive import Archive, Unsound
from engine.bundle.manifest import (
    FILES,
    MODELS,
    ROUTES,
    SPEC_FILES,
    Manifest,
    PackedModel,
    hash_of,
    read_members,
    versions_of,
)
from engine.diagnostics import Diagnostic, Place
from engine.errors import SpecError
from engine.isolation import MEMORY, read_bounds
from engine.models import CompiledModel, ModelFile, PreparedModel
from engine.schema import show
from engine.spec import MAX_FILE_BYTES, FileModel, PackedFiles, Spec, load_spec, read_regular


def unpack_bundle(
    file: Path, sha256: str | None = None, opens: Callable[[Iterable[Path]], None] = lambda _: None
) -> tuple[Spec, Mapping[str, PreparedModel]]:
    """Read a bundle, only if it has this SHA-256, if one is given; raise `SpecError` with the reason against it.

    `opens` is called with the file before it is read. Its spec gets its values from this environment.
    """
    opens([file])
    try:
        data = _read(file)
        found = hash_of(data)
        _require_hash(found, sha256)
        manifest, members = read_members(Archive(data, read_bounds().memory))
        _require_small_files(members)
        _require_members(manifest, members)
        spec = _load(file, manifest, members)
        _require_same_models(manifest, spec)
        prepared = {
            name: _prepared(spec.file_models[name], model, members, f"{found} {name}")
            for name, model in manifest.models.items()
        }
    except Unsound as error:
        raise SpecError([Diagnostic(Place(str(file)), str(error))]) from None
    _require_pinned(manifest, spec)
    return replace(spec, warnings=(*spec.warnings, *_other_versions(file, manifest))), prepared


def _require_hash(found: str, wanted: str | None) -> None:
    if wanted is not None and found != wanted:
        raise Unsound(f"it is not the bundle that --sha256 names: its sha256 is {found}, not {wanted}")


def _read(file: Path) -> bytes:
    limits = read_bounds()
    try:
        size = file.stat().st_size
        if size > limits.memory:
            most = f"{limits.shown_memory}, all the memory that reading it may take"
            raise Unsound(f"it is larger than {most}; {MEMORY} allows more")
        return read_regular(file, size)  # as many bytes are allocated first
    except FileNotFoundError:
        raise Unsound("the file does not exist; to make a bundle: python -m engine bundle") from None
    except OSError as error:
        raise Unsound(f"the file cannot be read: {error.strerror}") from None


def _load(file: Path, manifest: Manifest, members: Mapping[str, bytes]) -> Spec:
    """Make the spec from its texts, as if they were in a folder in the place of the bundle."""
    drafts = {file / name: members[name] for name in SPEC_FILES if name in members}
    packed = {name.removeprefix(FILES): data for name, data in members.items() if name.startswith(FILES)}
    described = {
        name: {file: members[member] for file, member in model.folder.items()}
        for name, model in manifest.models.items()
    }
    models = file / MODELS if MODELS in members else None
    return load_spec(file / ROUTES, models, drafts=drafts, packed=PackedFiles(packed, described))


def _prepared(declared: FileModel, model: PackedModel, members: Mapping[str, bytes], key: str) -> PreparedModel:
    try:
        compiled = CompiledModel.load(members[model.compiled])
    except (ValueError, TypeError, KeyError, OSError, EOFError, BadZipFile) as error:
        raise Unsound(f"{show(model.compiled)} is damaged ({error})") from None
    own = ModelFile.of(declared, members[model.file]) if model.file is not None else None
    if own is not None and own.sha256 != model.sha256:
        raise Unsound(f"{show(model.file)} is not the model's file that its manifest names")
    modules = {path: members[name] for path, name in model.modules.items()}
    prepared = PreparedModel(key, compiled, own, model.sha256, modules)
    if compiled.needs_estimator and own is None:
        raise Unsound(
            f"{show(model.compiled)} is that of another model: it needs a model file, and the bundle has none"
        )
    return prepared


def _require_small_files(members: Mapping[str, bytes]) -> None:
    for name, data in members.items():
        if name.startswith(FILES) and len(data) > MAX_FILE_BYTES:
            raise Unsound(f"{show(name)} has {len(data):,} bytes, and {MAX_FILE_BYTES:,} are the most that are served")


def _require_members(manifest: Manifest, members: Mapping[str, bytes]) -> None:
    """Raise `Unsound` where the manifest's models name members that are not there, or the spec is missing."""
    named = [name for model in manifest.models.values() for name in _names(model)]
    for name in (ROUTES, *named):
        if name not in members:
            raise Unsound(f"{show(name)} is missing")


def _names(model: PackedModel) -> Iterator[str]:
    yield model.compiled
    yield from filter(None, [model.file])
    yield from (*model.modules.values(), *model.folder.values())


def _require_same_models(manifest: Manifest, spec: Spec) -> None:
    if manifest.models.keys() != spec.file_models.keys():
        packed, declared = (", ".join(sorted(names)) or "none" for names in (manifest.models, spec.file_models))
        raise Unsound(f"its manifest has the models {packed}, and its models.yaml has {declared}")


def _require_pinned(manifest: Manifest, spec: Spec) -> None:
    """Raise `SpecError` for a model that is not the one that models.lock pins."""
    for name, pin in spec.pins.items():
        model = manifest.models.get(name)
        if model is not None and model.sha256 != pin.sha256:
            raise pin.error(f"the bundle has another file for this model: its sha256 is {model.sha256}", "sha256")


def _other_versions(file: Path, manifest: Manifest) -> Iterator[Diagnostic]:
    """Warn of libraries that are not those that the bundle was made with."""
    here = versions_of(manifest.libraries)
    pairs = [(name, made, here[name]) for name, made in manifest.libraries.items() if here.get(name, made) != made]
    if pairs:
        made = ", ".join(f"{name} {version}" for name, version, _ in pairs)
        ours = ", ".join(f"{name} {version}" for name, _, version in pairs)
        message = f"it was made with {made}, and here is {ours}; its examples and golden answers are checked with that"
        yield Diagnostic(Place(str(file)), message, "warning")
