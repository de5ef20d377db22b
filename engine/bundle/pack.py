"""A checked service → the bytes of a bundle. No value of the environment gets into it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from engine.bundle.archive import Unsound, require_plain, write_archive
from engine.bundle.manifest import (
    FILES,
    LOCK,
    MANIFEST,
    MODELS,
    ROUTES,
    Manifest,
    PackedModel,
    hash_of,
    versions_of,
)
from engine.diagnostics import Diagnostic
from engine.errors import EngineError, SpecError
from engine.models import NOT_COMPILED, PreparedModel, Snapshot, to_serve
from engine.spec import (
    FileModel,
    Model,
    Node,
    Source,
    Spec,
    StandIn,
    Table,
    asking_names,
    asking_places,
    normal_name,
    read_regular,
    walk_nodes,
)

# What a model may take from the environment where it is served: nothing compiled, and no golden answer, depends on it.
_ASKED_LATER = frozenset((*NOT_COMPILED, "batch", "reference", "timeout"))
_NAME_OF_ENVIRONMENT = (
    "a bundle has no value of the environment, so the name of a file that it packs cannot come from there"
)
_MOST_DIGESTS = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Packed:
    """A bundle's bytes and their SHA-256, and what each model needs to be installed where it is served.

    `slower` names the models whose batches scikit-learn would compute faster.
    """

    data: bytes
    sha256: str
    needs: Mapping[str, tuple[str, ...]]
    slower: tuple[str, ...]


def pack_bundle(snapshot: Snapshot) -> Packed:
    """Make a bundle of a service that has passed every check; raise `SpecError` for what cannot be in one."""
    spec = snapshot.spec
    alone = {name: one.compiled.without_faster_batches() for name, one in snapshot.prepared.items()}
    prepared = {name: replace(one, compiled=alone[name]).without_file() for name, one in snapshot.prepared.items()}
    mistakes = [*_mistakes_in_files(spec), *_mistakes_in_models(spec, prepared)]
    if mistakes:
        raise SpecError(mistakes)
    members = {**_texts(spec), **_files(spec)}
    models = {name: _pack_model(spec.file_models[name], one, members) for name, one in prepared.items()}
    needs = {name: _needs(spec.file_models[name], one) for name, one in prepared.items()}
    libraries = {"numpy", *(need.partition("=")[0] for several in needs.values() for need in several)}
    manifest = Manifest(versions_of(sorted(libraries)) if models else {}, models)
    try:
        data = write_archive({**members, MANIFEST: manifest.dump(members)})
    except Unsound as error:
        raise EngineError(f"no bundle can be made: {error}") from None
    faster = tuple(name for name, one in snapshot.prepared.items() if alone[name] is not one.compiled)
    return Packed(data, hash_of(data), needs, faster)


def _needs(model: FileModel, prepared: PreparedModel) -> tuple[str, ...]:
    """Return what `pip install` takes for a model; answers of its own functions depend on the version of pandas."""
    packages = to_serve(model, prepared).values()
    return tuple(f"pandas=={version(one)}" if one == "pandas" else one for one in packages)


def _texts(spec: Spec) -> dict[str, bytes]:
    """Return the spec's own files, as they are written: `${env:…}` stands in them, and no value."""
    records = ((ROUTES, [spec.service]), (MODELS, spec.models.values()), (LOCK, spec.pins.values()))
    texts = {name: record.node.source.text.encode() for name, several in records for record in several}
    return texts | {FILES + name: source.text.encode() for name, source in spec.files.items()}


def _files(spec: Spec) -> dict[str, bytes]:
    """Return the files that responses, tables and API keys name."""
    files: dict[str, bytes] = {}
    for node, name, data in _served_files(spec):
        if files.setdefault(name, data) != data:
            message = "a bundle has one folder for the files of both specs, and this is another file there; rename it"
            raise node.mistake(message)
    for node in _digest_files(spec):
        if not Path(node.text or "").is_absolute():
            files[node.text or ""] = _read_digests(spec, node)
    return {FILES + normal_name(name): data for name, data in files.items()}


def _pack_model(model: FileModel, prepared: PreparedModel, members: dict[str, bytes]) -> PackedModel:
    """Add the members of a model."""
    name = model.name
    compiled = f"models/{name}/compiled"
    members[compiled] = prepared.compiled.dump()
    folder = _pack_description(model, members)
    if prepared.file is None:
        return PackedModel(prepared.sha256, compiled, folder=folder)
    file = f"models/{name}/file"
    members[file] = prepared.file.data
    modules = {path: f"models/{name}/modules/{path}" for path in prepared.modules}
    members.update({modules[path]: data for path, data in prepared.modules.items()})
    return PackedModel(prepared.sha256, compiled, file, modules, folder)


def _pack_description(model: FileModel, members: dict[str, bytes]) -> dict[str, str]:
    """Add the members that describe a model's folder; return them by their names there."""
    described = model.model_folder.files if model.model_folder is not None else {}
    named = {file: f"models/{model.name}/folder/{file}" for file in described}
    members.update({named[file]: data for file, data in described.items()})
    return named


def _served_files(spec: Spec) -> Iterator[tuple[Node, str, bytes]]:
    for body in (body for route in spec.routes for one in route.responses for body in one.bodies):
        for name, data in body.files.items():
            yield body.node, name, data
    for model in spec.models.values():
        if isinstance(model, Table):
            yield model.node["table"], model.node["table"].text or "", model.data


def _digest_files(spec: Spec) -> Iterator[Node]:
    keys = spec.service.auth.node["api_keys"].items if spec.service.auth is not None else ()
    yield from (key["file"] for key in keys if key["file"].text)


def _read_digests(spec: Spec, node: Node) -> bytes:
    try:
        return read_regular(spec.folder / (node.text or ""), _MOST_DIGESTS)
    except OSError as error:
        raise node.mistake(f'file "{node.text}" cannot be read: {error.strerror}') from None


def _mistakes_in_files(spec: Spec) -> Iterator[Diagnostic]:
    sources = (spec.service.node.source, *spec.files.values())
    for source in sources:
        yield from (node.error(f"{_NAME_OF_ENVIRONMENT}; write the name") for node in asking_names(source))
    asking = _Asking()
    named = [(node, name) for node, name, _ in _served_files(spec)]
    for node, name in [*named, *((node, node.text or "") for node in _digest_files(spec))]:
        if Path(name).is_absolute():  # a list of keys, which is read where it is served
            continue
        if node.start in asking[node.source]:
            yield node.error(f"{_NAME_OF_ENVIRONMENT}; write the name itself, or, for a list of keys, an absolute one")
            continue
        try:
            require_plain(FILES + normal_name(name))
        except Unsound:
            yield node.error("a bundle packs files below the folder of routes.yaml only; move it there")


def _mistakes_in_models(spec: Spec, prepared: Mapping[str, PreparedModel]) -> Iterator[Diagnostic]:
    asking = _Asking()
    sources = {model.node.source for model in spec.models.values()}
    for source in sources:
        yield from (node.error(f"{_NAME_OF_ENVIRONMENT}; write the name") for node in asking_names(source))
    for model in spec.models.values():
        if isinstance(model, StandIn):
            message = f'"{model.name}" has no file yet, and a bundle has compiled models only; train it first'
            yield model.node["stand_in"].error(message)
    for name, model in spec.file_models.items():
        beside = {node.source: node for _, node in walk_nodes(model.node["input"])}
        strange = [node for source, node in beside.items() if source not in (*sources, *spec.files.values())]
        if strange:
            message = "a bundle packs files of schemas below the folder of routes.yaml only; move models.yaml there"
            yield strange[0].error(message)
            continue
        yield from _compiled_from_environment(model, asking)
        for path in prepared[name].modules:
            if not path.endswith(".py"):
                message = f"the module {path} is machine code, which cannot be loaded from a bundle; write it in Python"
                yield model.node["file"].error(message)


class _Asking(dict[Source, frozenset[int]]):
    """Where values stand in each file that come from the environment, found out when it is asked for."""

    def __missing__(self, source: Source) -> frozenset[int]:
        self[source] = asking_places(source)
        return self[source]


def _compiled_from_environment(model: Model, asking: Mapping[Source, frozenset[int]]) -> Iterator[Diagnostic]:
    for key, _, value in model.node.pairs():
        for _, node in walk_nodes(value) if key not in _ASKED_LATER else ():
            if node.start in asking[node.source]:
                yield node.error(
                    f"a bundle has no value of the environment, and {key} is part of what is compiled; write it here "
                    f"instead of {node.written}"
                )
